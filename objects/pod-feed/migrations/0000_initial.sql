CREATE TABLE `tickets` (
	`hash` text PRIMARY KEY NOT NULL,
	`user` text NOT NULL,
	`operator` integer NOT NULL,
	`token_ends_at` integer NOT NULL,
	`expires_at` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `tickets_user` ON `tickets` (`user`);--> statement-breakpoint
CREATE INDEX `tickets_expires_at` ON `tickets` (`expires_at`);