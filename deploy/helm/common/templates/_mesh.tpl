{{- /* One destination. Takes {host, port, subset, cookie, seconds}; a cookie only where the choice is kept. */ -}}
{{- define "common.destination" -}}
destination: {host: {{ .host }}, {{ with .subset }}subset: {{ . }}, {{ end }}port: {number: {{ .port }}}}
{{- with .cookie }}
headers: {response: {add: {set-cookie: "{{ . }}={{ $.subset }}; Path=/; Max-Age={{ $.seconds }}; HttpOnly; SameSite=Lax"}}}
{{- end }}
{{- end -}}

{{- /* The matches of a rule; with {more}, each of them with those headers too. Takes {rule, more}. */ -}}
{{- define "common.matches" -}}
{{- if or .rule.match .more }}
match:
{{- range .rule.match | default (list dict) }}
{{- $match := dict }}
{{- with .methods }}{{ $_ := set $match "method" (dict "regex" .) }}{{ end }}
{{- with .exact }}{{ $_ := set $match "uri" (dict "exact" .) }}{{ end }}
{{- with .prefix }}{{ $_ := set $match "uri" (dict "prefix" .) }}{{ end }}
{{- with $.more }}{{ $_ := set $match "headers" . }}{{ end }}
- {{ toJson $match }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* How long a rule's requests may take (no limit where they stream), and whether they may be sent again. Takes {root, rule}. */ -}}
{{- define "common.patience" -}}
{{- $mesh := .root.Values.mesh -}}
{{- if not .rule.streams }}
timeout: {{ .rule.timeoutSeconds | default $mesh.timeoutSeconds }}s
{{- end }}
{{- if and .rule.retry (gt (int $mesh.readRetries) 0) }}
retries: {attempts: {{ $mesh.readRetries }}, retryOn: "connect-failure,refused-stream"}
{{- else }}
retries: {attempts: 0}
{{- end }}
{{- end -}}

{{- /* Each service remembers its own choice. */ -}}
{{- define "common.cookie" -}}{{ .Values.canary.sticky.cookie }}-{{ .Chart.Name }}{{- end -}}

{{- /* How Argo Rollouts works here: canary, blueGreen, or none. */ -}}
{{- define "common.rolloutsBy" -}}{{ .Values.rollouts.enabled | ternary .Values.rollouts.strategy "none" }}{{- end -}}

{{- /* The Service whose pods get the requests. */ -}}
{{- define "common.servingHost" -}}
{{ include "common.app" . }}{{ if eq (include "common.rolloutsBy" .) "blueGreen" }}-active{{ end }}
{{- end -}}

{{- /* One rule as routes: the header first, then what was chosen before, then by weight. Takes {root, rule}. */ -}}
{{- define "common.routesOfRule" -}}
{{- $canary := .root.Values.canary }}
{{- $port := .rule.port | default (include "common.facts" .root | fromYaml).port }}
{{- $rollouts := include "common.rolloutsBy" .root }}
{{- $to := dict "host" (include "common.servingHost" .root) "port" $port }}
{{- $patience := include "common.patience" . }}
{{- $v1 := merge (dict "subset" (eq $rollouts "blueGreen" | ternary "" "v1")) $to }}
{{- $v2 := merge (dict "subset" "v2") $to }}
{{- $sticky := and $canary.enabled $canary.sticky.enabled (gt (int $canary.weight) 0) (lt (int $canary.weight) 100) }}
{{- if $canary.enabled }}
{{- $header := dict $canary.header.name (dict "exact" $canary.header.value) }}
- name: {{ .rule.name }}-canary
  {{- include "common.matches" (dict "rule" .rule "more" $header) | nindent 2 }}
  {{- $patience | nindent 2 }}
  route:
  - {{- include "common.destination" $v2 | nindent 4 }}
{{- end }}
{{- if $sticky }}
{{- $cookie := include "common.cookie" .root }}
{{- range list $v2 $v1 }}
{{- $chosen := dict "cookie" (dict "regex" (printf "(.*; *)?%s=%s(;.*)?" $cookie .subset)) }}
- name: {{ $.rule.name }}-stays-{{ .subset }}
  {{- include "common.matches" (dict "rule" $.rule "more" $chosen) | nindent 2 }}
  {{- $patience | nindent 2 }}
  route:
  - {{- include "common.destination" . | nindent 4 }}
{{- end }}
{{- $kept := dict "cookie" $cookie "seconds" $canary.sticky.seconds }}
{{- $v1 = merge (dict) $kept $v1 }}
{{- $v2 = merge (dict) $kept $v2 }}
{{- end }}
- name: {{ .rule.name }}
  {{- include "common.matches" (dict "rule" .rule) | nindent 2 }}
  {{- $patience | nindent 2 }}
  route:
  - {{- include "common.destination" $v1 | nindent 4 }}
    {{- if or $canary.enabled (eq $rollouts "canary") }}
    weight: {{ sub 100 (int $canary.weight) }}
  - {{- include "common.destination" $v2 | nindent 4 }}
    weight: {{ $canary.weight }}
    {{- end }}
{{- end -}}

{{- define "common.routes" -}}
{{- range (include "common.facts" . | fromYaml).rules }}
{{- include "common.routesOfRule" (dict "root" $ "rule" .) }}
{{- end }}
{{- end -}}

{{- /* From the door: the platform's pynomaly-routes hands the prefixes of this service over to it. */ -}}
{{- define "common.doorRoutes" -}}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  {{- include "common.meta" (dict "root" . "name" (printf "%s-routes" .Chart.Name)) | nindent 2 }}
  annotations: {pynomaly.com/paths: {{ join "," .Values.paths | quote }}}
spec:
  http:
  {{- include "common.routes" . | nindent 2 }}
{{- end -}}

{{- /* From another service of the mesh. */ -}}
{{- define "common.meshRoutes" -}}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  {{- include "common.meta" (dict "root" . "name" (printf "%s-mesh" .Chart.Name)) | nindent 2 }}
spec:
  hosts: [{{ include "common.app" . }}]
  gateways: [mesh]
  http:
  {{- include "common.routes" . | nindent 2 }}
{{- end -}}

{{- /* How pods are chosen: the first of `priorities` that some healthy pod has. Takes {root, priorities}. */ -}}
{{- define "common.loadBalancer" -}}
{{- $sticky := .root.Values.canary.sticky -}}
{{- if and .root.Values.canary.enabled $sticky.enabled -}}
consistentHash: {httpCookie: {name: {{ include "common.cookie" .root }}-pod, path: /, ttl: {{ $sticky.seconds }}s}}
{{- else -}}
simple: LEAST_REQUEST
warmup: {duration: {{ .root.Values.mesh.warmupSeconds }}s}
{{- end }}
localityLbSetting: {enabled: true, failoverPriority: {{ toJson .priorities }}}
{{- end -}}

{{- /* The canary's pods, and as long as none of them is ready, the others: a share of the requests for pods that are
       not there yet, or not any more, is not lost. Without outlier detection Istio has no priorities. */ -}}
{{- define "common.canarySubset" -}}
{{- if .Values.mesh.outlierDetection.enabled -}}
name: v2
labels: {app: {{ include "common.app" . }}}
trafficPolicy:
  loadBalancer: {{- include "common.loadBalancer" (dict "root" . "priorities" (list "version=v2" "topology.kubernetes.io/region")) | nindent 4 }}
{{- else -}}
name: v2
labels: {version: v2}
{{- end }}
{{- end -}}

{{- define "common.destinationRule" -}}
{{- $mesh := .Values.mesh -}}
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  {{- include "common.meta" (dict "root" . "name" (include "common.app" .)) | nindent 2 }}
spec:
  host: {{ include "common.servingHost" . }}
  trafficPolicy:
    loadBalancer: {{- include "common.loadBalancer" (dict "root" . "priorities" (list "topology.kubernetes.io/region")) | nindent 6 }}
    connectionPool:
      tcp: {connectTimeout: 2s}
      http:
        http1MaxPendingRequests: {{ $mesh.connectionPool.maxPending }}
        http2MaxRequests: {{ $mesh.connectionPool.maxRequests }}
        idleTimeout: {{ $mesh.connectionPool.idleSeconds }}s  # below the application's 75 s: it never closes first
    {{- with $mesh.outlierDetection }}
    {{- if .enabled }}
    outlierDetection:
      consecutive5xxErrors: {{ .consecutiveErrors }}
      interval: {{ .intervalSeconds }}s
      baseEjectionTime: {{ .ejectionSeconds }}s
      maxEjectionPercent: {{ .maxEjectionPercent }}
    {{- end }}
    {{- end }}
  {{- $rollouts := include "common.rolloutsBy" . }}
  {{- if ne $rollouts "blueGreen" }}
  subsets:
  - {name: v1, labels: {version: v1}}
  {{- if eq $rollouts "canary" }}
  - {name: v2, labels: {version: v1}}  # Argo Rollouts tells them apart by the hash of their pod template
  {{- else if .Values.canary.enabled }}
  - {{- include "common.canarySubset" . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end -}}

{{- /* Who may call what here; the platform's deny-all refuses the rest. */ -}}
{{- define "common.authorization" -}}
{{- $facts := include "common.facts" . | fromYaml }}
{{- $ingress := .Values.mesh.ingress -}}
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  {{- include "common.meta" (dict "root" . "name" (include "common.app" .)) | nindent 2 }}
spec:
  selector: {matchLabels: {app: {{ include "common.app" . }}}}
  action: ALLOW
  rules:
  - from: [{source: {principals: [{{ include "common.principal" (dict "root" . "namespace" $ingress.namespace "account" $ingress.serviceAccount) }}]}}]
    to:
    - operation:
        {{- if .Values.paths }}
        paths: {{- range .Values.paths }}{{ include "common.covers" . | nindent 8 }}{{ end }}
        {{- else }}
        notPaths: [/metrics]
        {{- end }}
  {{- range $account, $paths := $facts.callers }}
  - from: [{source: {principals: [{{ include "common.principal" (dict "root" $ "namespace" $.Release.Namespace "account" $account) }}]}}]
    to:
    - operation:
        paths: {{- range $paths }}{{ include "common.covers" . | nindent 8 }}{{ end }}
  {{- end }}
  {{- if .Values.monitoring.serviceMonitor }}
  - from: [{source: {namespaces: [{{ .Values.monitoring.namespace }}]}}]
    to: [{operation: {methods: [GET], paths: [/metrics]}}]
  {{- end }}
{{- end -}}
