{{/* Names: the release's, so that two releases do not meet, but once when they are the same. */}}
{{- define "speargun.name" -}}
{{- if contains "speargun" .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-speargun" .Release.Name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{- define "speargun.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* What selects pods of a part: a list of context and component. */}}
{{- define "speargun.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: speargun
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "speargun.labels" -}}
{{- $root := index . 0 -}}
{{ include "speargun.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: speargun
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Where Prometheus finds figures: a list of context, port and path. */}}
{{- define "speargun.scrape" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.monitoring.annotations -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ index . 1 | quote }}
prometheus.io/path: {{ index . 2 }}
{{- end -}}
{{- end -}}

{{/* What all pods have in common: the restricted profile of pod security, and where they run. */}}
{{- define "speargun.pod" -}}
{{- $root := index . 0 -}}
serviceAccountName: {{ include "speargun.name" $root }}
automountServiceAccountToken: false
# Variables such as SPEARGUN_PORT=tcp://... are of no use to anybody.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "speargun.selector" . | nindent 8 }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "speargun.container" -}}
image: {{ include "speargun.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* What configuration servers serve: the files of the values, and where spans go if they do not say. */}}
{{- define "speargun.files" -}}
{{- $url := printf "http://%s.%s:9411" .Values.service.name .Release.Namespace -}}
{{- $told := dict "application.yml" (printf "spring:\n  zipkin:\n    base-url: %s\n" $url) -}}
{{- toYaml (merge (deepCopy .Values.configServer.files) $told) -}}
{{- end -}}

{{/* Whether several processes may share the store. */}}
{{- define "speargun.shared" -}}
{{- if has .Values.storage.type (list "clickhouse" "mysql") -}}yes{{- end -}}
{{- end -}}

{{/* Combinations that lose or hide spans, refused before anything is changed. */}}
{{- define "speargun.check" -}}
{{- $many := or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled -}}
{{- if and $many (not (include "speargun.shared" .)) -}}
{{- fail (printf "storage.type %s has one replica: set replicas to 1 and autoscaling.enabled to false, or storage.type to clickhouse or mysql" .Values.storage.type) -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is greater than autoscaling.maxReplicas" -}}
{{- end -}}
{{- end -}}
