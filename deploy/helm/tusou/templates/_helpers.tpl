{{- define "tusou.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of this release. */}}
{{- define "tusou.release" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tusou.labels" -}}
{{ include "tusou.release" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/*
What each part is, beside what values say: its key in values, image, port, program, the section of its `listen` key, and
which stores it uses. A part gets the secrets, and the ways out, of those and no others.
*/}}
{{- define "tusou.parts" -}}
crawler:
  { values: crawler, image: crawler, port: 9181, args: [tusou-crawler], listen: CRAWLER, uses: [database, amqp, blobs], job: tusou-crawler }
encoder:
  { values: encoder, image: services, port: 9182, args: [tusou-encoder], listen: ENCODER, uses: [amqp, blobs, models], job: tusou-encoder,
    queues: [images.fetched, images.reencode] }
encoder-gpu:
  { values: encoderGpu, image: encoderCuda, port: 9182, args: [tusou-encoder], listen: ENCODER, uses: [amqp, blobs, models], job: tusou-encoder,
    queues: [images.fetched, images.reencode] }
indexer:
  { values: indexer, image: services, port: 9183, args: [tusou-indexer], listen: INDEXER, uses: [database, amqp, elasticsearch, models],
    job: tusou-indexer, queues: [images.embedded, images.changed, images.reindex] }
search:
  { values: search, image: services, port: 8088, args: [tusou-search], listen: SEARCH, uses: [database, elasticsearch, blobs, models], job: tusou-search }
operate:
  { values: operate, image: tools, port: 9184, args: [tusou, operate], listen: OPERATOR,
    uses: [database, amqp, rabbitmqApi, elasticsearch, blobs, models, operator], job: tusou-operate }
{{- end -}}

{{/* Image of `name` (a key of `images`): (dict "root" $ "name" "services") */}}
{{- define "tusou.image" -}}
{{- $images := .root.Values.images -}}
{{- $image := get $images .name -}}
{{- with $images.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest -}}@{{ $image.digest }}{{- else -}}:{{ default .root.Chart.AppVersion $image.tag }}{{- end -}}
{{- end -}}

{{/* A value of the configuration as text. Helm reads numbers as floats, and writes ten millions as 1e+07, which is no whole number to us. */}}
{{- define "tusou.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ printf "%.0f" . }}{{ else }}{{ toString . }}{{ end -}}
{{- end -}}

{{- define "tusou.blobsOnVolume" -}}
{{- if hasPrefix "file://" .Values.blobs.url }}true{{ end -}}
{{- end -}}

{{/*
The files of secrets that a part is given, as a list of {variable, secret, key, path}: (dict "root" $ "name" … "uses" …). A Secret that
`accounts` of the part names goes before the one for all.
*/}}
{{- define "tusou.secretFiles" -}}
{{- $values := .root.Values -}}
{{- $own := include "tusou.accounts" . | fromYaml -}}
{{- if has "database" .uses }}
- { variable: TUSOU_DATABASE_URL, secret: {{ default $values.database.existingSecret $own.database }}, key: {{ $values.database.key }}, path: database-url }
{{- end }}
{{- if has "amqp" .uses }}
- { variable: TUSOU_AMQP_URL, secret: {{ default $values.amqp.existingSecret $own.amqp }}, key: {{ $values.amqp.key }}, path: amqp-url }
{{- end }}
{{- if has "rabbitmqApi" .uses }}
- { variable: TUSOU_RABBITMQ_API_URL, secret: {{ $values.rabbitmqApi.existingSecret }}, key: {{ $values.rabbitmqApi.key }}, path: rabbitmq-api-url }
{{- end }}
{{- if and (has "elasticsearch" .uses) (ne $values.elasticsearch.auth "none") }}
- { variable: {{ ternary "TUSOU_ELASTICSEARCH_API_KEY" "TUSOU_ELASTICSEARCH_PASSWORD" (eq $values.elasticsearch.auth "apiKey") }}, secret: {{ default $values.elasticsearch.existingSecret $own.elasticsearch }}, key: {{ $values.elasticsearch.key }}, path: elasticsearch }
{{- end }}
{{- if has "operator" .uses }}
- { variable: TUSOU_OPERATOR_PASSWORD, secret: {{ $values.operate.existingSecret }}, key: {{ $values.operate.key }}, path: operator-password }
{{- end }}
{{- $blobs := default $values.blobs.s3.existingSecret $own.blobs }}
{{- if and (has "blobs" .uses) $blobs (not (include "tusou.blobsOnVolume" .root)) }}
- { variable: TUSOU_BLOBS_ACCESS_KEY_ID, secret: {{ $blobs }}, key: {{ $values.blobs.s3.accessKeyIdKey }}, path: blobs-access-key-id }
- { variable: TUSOU_BLOBS_SECRET_ACCESS_KEY, secret: {{ $blobs }}, key: {{ $values.blobs.s3.secretAccessKeyKey }}, path: blobs-secret-access-key }
{{- end }}
{{- $name := .name }}
{{- range $values.secretKeys }}
{{- if has $name .services }}
- { variable: {{ .variable }}, secret: {{ .existingSecret }}, key: {{ .key }}, path: {{ .variable | lower | replace "_" "-" }} }
{{- end }}
{{- end }}
{{- end -}}

{{/* The same, and the authorities to be trusted. */}}
{{- define "tusou.files" -}}
{{- include "tusou.secretFiles" . }}
{{- with .root.Values.elasticsearch }}
{{- if and (has "elasticsearch" $.uses) .caSecret }}
- { secret: {{ .caSecret }}, key: {{ .caKey }}, path: elasticsearch-ca.pem }
{{- end }}
{{- end }}
{{- with .root.Values.blobs.s3 }}
{{- if and (has "blobs" $.uses) .caSecret (not (include "tusou.blobsOnVolume" $.root)) }}
- { secret: {{ .caSecret }}, key: {{ .caKey }}, path: blobs-ca.pem }
{{- end }}
{{- end }}
{{- end -}}

{{- define "tusou.accounts" -}}
{{- $key := ternary "encoderGpu" .name (eq .name "encoder-gpu") -}}
{{- dig "accounts" (dict) (default (dict) (get .root.Values $key)) | toYaml -}}
{{- end -}}

{{/* Variables of the stores that a part uses. */}}
{{- define "tusou.storeEnv" -}}
{{- $values := .root.Values -}}
{{- range include "tusou.secretFiles" . | fromYamlArray }}
- { name: {{ .variable }}_FILE, value: /run/secrets/tusou/{{ .path }} }
{{- end }}
{{- if has "elasticsearch" .uses }}
- { name: TUSOU_ELASTICSEARCH_URL, value: {{ $values.elasticsearch.url | quote }} }
{{- if eq $values.elasticsearch.auth "password" }}
{{- $own := include "tusou.accounts" . | fromYaml }}
- { name: TUSOU_ELASTICSEARCH_USERNAME, value: {{ default $values.elasticsearch.username $own.elasticsearchUsername | quote }} }
{{- end }}
{{- if $values.elasticsearch.caSecret }}
- { name: TUSOU_ELASTICSEARCH_CA_FILE, value: /run/secrets/tusou/elasticsearch-ca.pem }
{{- end }}
{{- end }}
{{- if has "blobs" .uses }}
- { name: TUSOU_BLOBS_URL, value: {{ $values.blobs.url | quote }} }
{{- if not (include "tusou.blobsOnVolume" .root) }}
- { name: TUSOU_BLOBS_S3_ENDPOINT, value: {{ $values.blobs.s3.endpoint | quote }} }
- { name: TUSOU_BLOBS_S3_REGION, value: {{ $values.blobs.s3.region | quote }} }
- { name: TUSOU_BLOBS_S3_PATH_STYLE, value: {{ $values.blobs.s3.pathStyle | quote }} }
{{- if $values.blobs.s3.caSecret }}
- { name: TUSOU_BLOBS_S3_CA_FILE, value: /run/secrets/tusou/blobs-ca.pem }
{{- end }}
{{- end }}
{{- end }}
{{- if has "models" .uses }}
- { name: TUSOU_MODELS_FOLDER, value: /var/lib/tusou/models }
- { name: TUSOU_MODELS_PACKS, value: {{ join "," $values.models.packs | quote }} }
{{- end }}
{{- end -}}

{{/* Volumes of a part, /tmp included: (dict "root" $ "name" … "uses" … "tmp" "64Mi") */}}
{{- define "tusou.volumes" -}}
{{- $values := .root.Values -}}
{{- $full := include "tusou.fullname" .root -}}
- name: tmp
  emptyDir: { sizeLimit: {{ .tmp }} }
{{- $files := include "tusou.files" . | fromYamlArray }}
{{- if $files }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range $files }}
      - secret: { name: {{ .secret }}, items: [{ key: {{ .key }}, path: {{ .path }} }] }
      {{- end }}
{{- end }}
{{- if and (has "blobs" .uses) (include "tusou.blobsOnVolume" .root) }}
- name: blobs
  persistentVolumeClaim: { claimName: {{ default (printf "%s-blobs" $full) $values.blobs.persistence.existingClaim }} }
{{- end }}
{{- if and (has "models" .uses) $values.models.persistence.enabled }}
- name: models
  persistentVolumeClaim: { claimName: {{ default (printf "%s-models" $full) $values.models.persistence.existingClaim }} }
{{- end }}
{{- end -}}

{{- define "tusou.mounts" -}}
{{- $values := .root.Values -}}
- { name: tmp, mountPath: /tmp }
{{- if include "tusou.files" . | fromYamlArray }}
- { name: secrets, mountPath: /run/secrets/tusou, readOnly: true }
{{- end }}
{{- if and (has "blobs" .uses) (include "tusou.blobsOnVolume" .root) }}
- { name: blobs, mountPath: {{ trimPrefix "file://" $values.blobs.url }}, readOnly: {{ eq .name "search" }} }
{{- end }}
{{- if and (has "models" .uses) $values.models.persistence.enabled }}
- { name: models, mountPath: /var/lib/tusou/models, readOnly: {{ ne .name "models" }} }
{{- end }}
{{- end -}}

{{/* (dict "seccomp" {…}); the account is that of the images. */}}
{{- define "tusou.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
# Large volumes are not walked through at each start.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {{ default (dict "type" "RuntimeDefault") .seccomp | toJson }}
{{- end -}}

{{- define "tusou.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* Every public address and no other, as peers of a network policy. */}}
{{- define "tusou.public" -}}
{{- with .Values.networkPolicy -}}
- ipBlock: { cidr: 0.0.0.0/0, except: {{ concat .blockedIPv4 .alsoBlockedIPv4 | toJson }} }
- ipBlock: { cidr: "2000::/3", except: {{ concat .blockedIPv6 .alsoBlockedIPv6 | toJson }} }
{{- end -}}
{{- end -}}

{{/* What every pod of a Job has: (dict "root" $) */}}
{{- define "tusou.jobPod" -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
securityContext: {{- include "tusou.podSecurity" (dict) | nindent 2 }}
{{- end -}}
