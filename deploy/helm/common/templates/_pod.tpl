{{- /* The environment of every process of a service. Takes {root, urlKey}. */ -}}
{{- define "common.env" -}}
{{- $values := .root.Values }}
{{- $facts := include "common.facts" .root | fromYaml }}
- {name: HOST, value: 0.0.0.0}
- {name: PORT, value: {{ $facts.port | quote }}}
{{- with $facts.grpc }}
- {name: GRPC_PORT, value: {{ . | quote }}}
{{- end }}
{{- range $name, $value := $values.environment }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
- {name: SHUTDOWN_GRACE_S, value: {{ $values.shutdownGraceSeconds | quote }}}
- name: DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ $values.database.existingSecret }}, key: {{ .urlKey | default $values.database.urlKey }}}}
{{- range $facts.peers }}
- {name: {{ upper .name }}_SERVICE_URL, value: "http://{{ .name }}-service:{{ .port }}"}
{{- end }}
{{- if $facts.storage }}
{{ include "common.storageEnv" .root }}
{{- end }}
{{- if $facts.trusts }}
- {name: TRUSTED_KEYS_PATH, value: /etc/pynomaly/trusted}
{{- end }}
{{- end -}}

{{- define "common.storageEnv" -}}
{{- with .Values.storage -}}
- {name: STORAGE_TYPE, value: {{ .type }}}
{{- if ne .type "local" }}
- {name: STORAGE_BUCKET, value: {{ .bucket | quote }}}
{{- end }}
{{- if .region }}
- {name: AWS_REGION, value: {{ .region | quote }}}
{{- end }}
{{- if .endpoint }}
- {name: AWS_ENDPOINT_URL, value: {{ .endpoint | quote }}}
- {name: AWS_ALLOW_HTTP, value: {{ hasPrefix "http://" .endpoint | quote }}}
{{- end }}
{{- if and .existingSecret (eq .type "s3") }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: access-key-id}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: secret-access-key}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "common.migrationEnv" -}}
- name: MIGRATION_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.database.existingSecret }}, key: {{ .Values.database.migrationUrlKey }}}}
{{- end -}}

{{- /* Pod Security Standard `restricted`. */ -}}
{{- define "common.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "common.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "common.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: storage, mountPath: /var/lib/pynomaly}
{{- if (include "common.facts" . | fromYaml).trusts }}
- {name: trusted, mountPath: /etc/pynomaly/trusted, readOnly: true}
{{- end }}
{{- end -}}

{{- define "common.volumes" -}}
- {name: tmp, emptyDir: {}}
- {name: storage, emptyDir: {}}
{{- if (include "common.facts" . | fromYaml).trusts }}
- {name: trusted, secret: {secretName: {{ .Values.keys.existingSecret }}}}
{{- end }}
{{- end -}}

{{- define "common.image" -}}
image: {{ printf "%s:%s" .root.Values.image.repository .tag | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- end -}}

{{- define "common.probes" -}}
startupProbe: {httpGet: {path: /health/live, port: {{ .port }}}, periodSeconds: 1, failureThreshold: 120, timeoutSeconds: 3}
livenessProbe: {httpGet: {path: /health/live, port: {{ .port }}}, periodSeconds: 10, failureThreshold: 3, timeoutSeconds: 3}
readinessProbe: {httpGet: {path: /health/ready, port: {{ .port }}}, periodSeconds: 2, failureThreshold: 3, timeoutSeconds: 3}
{{- end -}}

{{- /* A pod template. Takes {root, app, component, version, tag, account}; of a worker also {command, port, env, urlKey,
       mounts, volumes, resources}. */ -}}
{{- define "common.podTemplate" -}}
{{- $root := .root }}
{{- $values := $root.Values }}
{{- $facts := include "common.facts" $root | fromYaml }}
{{- $port := .port | default $facts.port }}
{{- $mesh := $values.mesh.enabled }}
metadata:
  labels:
    {{- include "common.podLabels" . | nindent 4 }}
    version: {{ .version }}
    sidecar.istio.io/inject: {{ $mesh | quote }}
  annotations:
    checksum/settings: {{ toJson $values.settings | sha256sum }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ $port | quote }}
    prometheus.io/path: /metrics
    {{- if $mesh }}
    traffic.sidecar.istio.io/excludeOutboundPorts: {{ $values.networkPolicy.databasePort | quote }}
    proxy.istio.io/config: |
      holdApplicationUntilProxyStarts: true
      proxyMetadata: {EXIT_ON_ZERO_ACTIVE_CONNECTIONS: "true"}
    {{- end }}
spec:
  serviceAccountName: {{ .account }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  securityContext: {{- include "common.podSecurity" . | nindent 4 }}
  topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {app: {{ $.app }}, version: {{ $.version }}}}
  {{- end }}
  {{- if and (eq $values.migrations.by "init") (eq .component "api") }}
  initContainers:
  - name: migrate
    {{- include "common.migrateContainer" (dict "root" $root "tag" .tag) | nindent 4 }}
  {{- end }}
  containers:
  - name: {{ .component }}
    {{- include "common.image" . | nindent 4 }}
    {{- with .command }}
    command: {{ toJson . }}
    {{- end }}
    ports:
    - {name: http, containerPort: {{ $port }}}
    {{- with $facts.grpc }}
    - {name: grpc, containerPort: {{ . }}}
    {{- end }}
    env:
    {{- include "common.env" . | nindent 4 }}
    - {name: APP_LABEL_VERSION, value: {{ .version }}}
    - {name: CONFIG_DIR, value: /etc/pynomaly/config}
    - name: ADMIN_TOKEN
      valueFrom:
        secretKeyRef: {name: {{ $values.admin.existingSecret }}, key: {{ $values.admin.tokenKey }}, optional: true}
    {{- with .env }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- include "common.probes" (dict "port" $port) | nindent 4 }}
    lifecycle: {preStop: {sleep: {seconds: {{ $values.preStopSeconds }}}}}
    resources: {{- toYaml (.resources | default $values.resources) | nindent 6 }}
    securityContext: {{- include "common.containerSecurity" . | nindent 6 }}
    volumeMounts:
    {{- include "common.mounts" $root | nindent 4 }}
    - {name: config, mountPath: /etc/pynomaly/config, readOnly: true}
    {{- with .mounts }}
    {{- . | nindent 4 }}
    {{- end }}
  volumes:
  {{- include "common.volumes" $root | nindent 2 }}
  - name: config  # files follow the ConfigMaps; where both have a name, the later one's holds
    projected:
      sources:
      - configMap: {name: pynomaly-config, optional: true}
      - configMap: {name: {{ include "common.app" $root }}}
  {{- with .volumes }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}
