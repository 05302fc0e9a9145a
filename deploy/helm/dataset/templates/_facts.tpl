{{- /* What the dataset service is like; the common chart reads it. The first rule that matches a request holds. */ -}}
{{- define "facts" -}}
port: 8001
storage: true
peers: []
callers:
  gateway-service: [/api/v1/datasets, /api/v1/admin, /status, /openapi.json]
  detector-service: [/api/v1/datasets]
  detector-worker: [/api/v1/datasets]
rules:
- {name: reads, match: [{methods: GET|HEAD|OPTIONS}], retry: true, streams: true}  # a download is a read
- {name: uploads, match: [{methods: POST, exact: /api/v1/datasets}, {methods: POST, exact: /api/v1/datasets/upload}], streams: true}
- {name: writes}
{{- end -}}
