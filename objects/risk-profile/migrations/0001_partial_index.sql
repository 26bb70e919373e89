DROP INDEX `assessments_by_end`;--> statement-breakpoint
CREATE INDEX `assessments_by_end` ON `assessments` (`ended_at`) WHERE ended_at IS NOT NULL;