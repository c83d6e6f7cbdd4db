{{- /* SPDX-License-Identifier: Apache-2.0 */}}
{{- define "bulkhead.image" -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" .Values.image.repository .Values.image.digest | quote }}
{{- else -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
{{- end -}}
{{- end }}

{{- define "bulkhead.labels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The value of an option as a variable has it. */}}
{{- define "bulkhead.text" -}}
{{- if kindIs "string" . -}}
{{ . | quote }}
{{- else if kindIs "slice" . -}}
{{ join "," . | quote }}
{{- else -}}
{{ . | toJson | quote }}
{{- end -}}
{{- end }}
