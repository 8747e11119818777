#!/bin/sh
# Wraps alerts.yaml for the Prometheus Operator: deploy/prometheus/rule.sh > deploy/overlays/prod/alerts.yaml
set -eu
cat <<'RULE'
# Written by deploy/prometheus/rule.sh from deploy/prometheus/alerts.yaml, where it is to be changed.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: guanxi
spec:
RULE
sed '/^#/d; s/^\(.\)/  \1/' "$(dirname "$0")/alerts.yaml"
