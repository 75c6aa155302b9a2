"""New and emerging occupations: clusters of records that no code fits, and their skills."""
