"""What `deploy/check-monitoring` is made of: rules, dashboards and runbook, against what the services export."""
