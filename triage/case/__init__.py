"""The case folder: SQLite store, hash-chained audit log, lock."""

from triage.case.audit import AuditLog, verify_audit_log
from triage.case.case import Case

__all__ = ["AuditLog", "Case", "verify_audit_log"]
