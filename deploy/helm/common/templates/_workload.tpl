{{- /* The annotations that tell people, in the promised names, what the mesh does with calls of this service. */ -}}
{{- define "common.resilienceAnnotations" -}}
{{- with .Values.mesh -}}
resilience.pynomaly.com/circuit-breaker: {{ and .enabled .outlierDetection.enabled | quote }}
resilience.pynomaly.com/circuit-breaker-threshold: {{ .outlierDetection.consecutiveErrors | quote }}
resilience.pynomaly.com/timeout-seconds: {{ .timeoutSeconds | quote }}
resilience.pynomaly.com/retry-max-attempts: {{ .readRetries | quote }}
{{- end }}
{{- end -}}

{{- /* A Deployment. Takes what common.podTemplate takes, {name} and {replicas}; replicas 0 leaves them to the HPA. */ -}}
{{- define "common.deployment" -}}
{{- $values := .root.Values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "common.meta" . | nindent 2 }}
    version: {{ .version }}
  annotations: {{- include "common.resilienceAnnotations" .root | nindent 4 }}
spec:
  {{- if .replicas }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  progressDeadlineSeconds: {{ $values.progressDeadlineSeconds }}
  selector: {matchLabels: {app: {{ .app }}, version: {{ .version }}}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  template: {{- include "common.podTemplate" . | nindent 4 }}
{{- end -}}

{{- /* How many pods the autoscaler has made it, or 0. A count that a chart stops to say would fall back to one. */ -}}
{{- define "common.replicasNow" -}}
{{- $rollouts := .Values.rollouts.enabled }}
{{- $api := $rollouts | ternary "argoproj.io/v1alpha1" "apps/v1" }}
{{- $found := lookup $api ($rollouts | ternary "Rollout" "Deployment") .Release.Namespace (include "common.app" .) }}
{{- (($found).spec).replicas | default 0 }}
{{- end -}}

{{- /* The stable version's pods and, where there is one, the canary's. */ -}}
{{- define "common.workload" -}}
{{- $app := include "common.app" . }}
{{- $api := dict "root" . "app" $app "component" "api" "account" $app }}
{{- $replicas := int .Values.replicas }}
{{- if .Values.autoscaling.enabled }}
{{- $replicas = include "common.replicasNow" . | int }}
{{- end }}
{{- $stable := merge (dict "name" $app "version" "v1" "tag" .Values.image.tag "replicas" $replicas) $api }}
{{- if .Values.rollouts.enabled }}
{{ include "common.rollout" $stable }}
{{- else }}
{{ include "common.deployment" $stable }}
{{- end }}
{{- with .Values.canary }}
{{- if .enabled }}
{{- $name := printf "%s-canary" $app }}
---
{{ include "common.deployment" (merge (dict "name" $name "version" "v2" "tag" .tag "replicas" .replicas) $api) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "common.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "common.meta" . | nindent 2 }}
spec:
  type: {{ .root.Values.service.type }}
  selector: {app: {{ .app }}}
  ports:
  - {name: http, port: {{ .port }}, targetPort: http}
  {{- with (include "common.facts" .root | fromYaml).grpc }}
  - {name: grpc-inference, port: {{ . }}, targetPort: grpc}
  {{- end }}
{{- end -}}

{{- define "common.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "common.meta" . | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}

{{- define "common.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "common.meta" (dict "root" . "name" (include "common.app" .)) | nindent 2 }}
data:
  {{- range $name, $value := .Values.settings }}
  {{- if ne ($value | toString) "" }}
  {{ $name }}: {{ $value | toString | quote }}
  {{- end }}
  {{- else }} {}
  {{- end }}
{{- end -}}

{{- /* Takes {root, name, kind}. */ -}}
{{- define "common.autoscaler" -}}
{{- with .root.Values.autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "common.meta" $ | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: {{ $.root.Values.rollouts.enabled | ternary "argoproj.io/v1alpha1" "apps/v1" }}
    kind: {{ $.root.Values.rollouts.enabled | ternary "Rollout" "Deployment" }}
    name: {{ $.name }}
  minReplicas: {{ .minReplicas }}
  maxReplicas: {{ .maxReplicas }}
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ .cpuPercent }}}}
  {{- with .requestsPerSecond }}
  - type: Pods
    pods: {metric: {name: http_requests_per_second}, target: {type: AverageValue, averageValue: {{ . | quote }}}}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* Takes {root, name}: stable and canary together. */ -}}
{{- define "common.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "common.meta" . | nindent 2 }}
spec:
  maxUnavailable: {{ .root.Values.podDisruptionBudget.maxUnavailable }}
  selector: {matchLabels: {app: {{ .name }}}}
{{- end -}}
