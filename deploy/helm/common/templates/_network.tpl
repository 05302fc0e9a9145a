{{- define "common.dnsEgress" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end -}}

{{- /* Where a pod may send: names, istiod, its database, its peers, its object storage. Takes the root. */ -}}
{{- define "common.egress" -}}
{{- $facts := include "common.facts" . | fromYaml }}
{{- include "common.dnsEgress" . }}
- ports: [{port: {{ .Values.networkPolicy.databasePort }}, protocol: TCP}]
{{- range .Values.networkPolicy.egressPorts }}
- ports: [{port: {{ . }}, protocol: TCP}]
{{- end }}
{{- if .Values.mesh.enabled }}
- ports: [{port: 15012, protocol: TCP}]
{{- end }}
{{- range $facts.peers }}
- to: [{podSelector: {matchLabels: {app: {{ .name }}-service}}}]
  ports: [{port: {{ .port }}, protocol: TCP}]
{{- end }}
{{- if $facts.storage }}
- ports:
  {{- range .Values.storage.ports }}
  - {port: {{ . }}, protocol: TCP}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* Prometheus, at the process itself and at the sidecar, which has both their metrics. Takes {root, port}. */ -}}
{{- define "common.scrapeIngress" -}}
- from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .root.Values.monitoring.namespace }}}}}]
  ports: [{port: {{ .port }}, protocol: TCP}, {port: 15020, protocol: TCP}, {port: 15090, protocol: TCP}]
{{- end -}}

{{- define "common.networkPolicy" -}}
{{- $facts := include "common.facts" . | fromYaml }}
{{- $app := include "common.app" . -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "common.meta" (dict "root" . "name" $app) | nindent 2 }}
spec:
  podSelector: {matchLabels: {app: {{ $app }}}}
  policyTypes: [Ingress, Egress]
  ingress:
  - ports: [{port: {{ $facts.port }}, protocol: TCP}{{ with $facts.grpc }}, {port: {{ . }}, protocol: TCP}{{ end }}]
    {{- if or .Values.mesh.enabled $facts.callers }}
    from:
    {{- if .Values.mesh.enabled }}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .Values.mesh.ingress.namespace }}}}
    {{- end }}
    {{- range $account, $ := $facts.callers }}
    - podSelector: {matchLabels: {app: {{ $account }}}}
    {{- end }}
    {{- end }}
  {{- include "common.scrapeIngress" (dict "root" . "port" $facts.port) | nindent 2 }}
  egress:
  {{- include "common.egress" . | nindent 2 }}
{{- end -}}
