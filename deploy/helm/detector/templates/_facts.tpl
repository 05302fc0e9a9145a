{{- /* What the detector service is like; the common chart reads it. The first rule that matches a request holds. */ -}}
{{- define "facts" -}}
port: 8000
peers:
- {name: dataset, port: 8001}
- {name: model, port: 8002}
callers:
  gateway-service: [/api/v1/detectors, /api/v1/algorithms, /api/v1/jobs, /api/v1/detect, /api/v1/admin, /status, /openapi.json]
rules:
- {name: events, match: [{methods: GET, prefix: /api/v1/jobs/}], retry: true, streams: true}
- {name: reads, match: [{methods: GET|HEAD|OPTIONS}], retry: true}
- {name: writes}
{{- end -}}
