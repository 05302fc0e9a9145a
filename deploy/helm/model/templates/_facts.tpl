{{- /* What the model service is like; the common chart reads it. The first rule that matches a request holds. */ -}}
{{- define "facts" -}}
port: 8002
grpc: 8003
storage: true
trusts: true
peers: []
callers:
  gateway-service: [/api/v1/models, /api/v1/predict, /api/v1/deployments, /v2, /v1/models, /invocations, /ping, /version, /api/v1/admin, /status, /openapi.json]
  detector-service: [/api/v1/models]
  detector-worker: [/api/v1/models]
rules:
- name: grpc  # the Open Inference Protocol; all that it has may be asked for twice
  match: [{prefix: /inference.GRPCInferenceService/}, {prefix: /grpc.health.v1.Health/}]
  port: 8003
  retry: true
  timeoutSeconds: 121
- {name: stream, match: [{exact: /api/v1/predict/stream}], streams: true}
- name: scores  # POSTs that change nothing
  match: [{methods: POST, exact: /api/v1/predict}, {methods: POST, exact: /api/v1/predict/batch}, {methods: POST, prefix: /v2/}, {methods: POST, prefix: /v1/models/}, {methods: POST, exact: /invocations}]
  retry: true
  timeoutSeconds: 121
- {name: reads, match: [{methods: GET|HEAD|OPTIONS}], retry: true, streams: true}  # a download is a read
- {name: uploads, match: [{methods: POST, prefix: /api/v1/models/}], streams: true}
- {name: writes}
{{- end -}}
