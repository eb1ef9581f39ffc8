"""The audit trail outward: `/api/v1/audit` and `ese audit …`."""
