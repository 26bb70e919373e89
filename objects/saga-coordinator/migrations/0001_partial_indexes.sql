DROP INDEX `sagas_open_tag`;--> statement-breakpoint
DROP INDEX `sagas_live`;--> statement-breakpoint
CREATE INDEX `sagas_open` ON `sagas` (`open_tag`) WHERE open_tag IS NOT NULL;--> statement-breakpoint
CREATE INDEX `sagas_live` ON `sagas` (`id`) WHERE live = 1;