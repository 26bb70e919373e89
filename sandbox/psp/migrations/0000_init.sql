CREATE TABLE `answers` (
	`reference` text NOT NULL,
	`key` text NOT NULL,
	`fingerprint` text NOT NULL,
	`payment` text,
	`answer_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	PRIMARY KEY(`reference`, `key`)
);
--> statement-breakpoint
CREATE INDEX `answers_by_expiry` ON `answers` (`expires_at`);--> statement-breakpoint
CREATE TABLE `attempts` (
	`reference` text PRIMARY KEY NOT NULL,
	`failures` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `deliveries` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`event_id` text NOT NULL,
	`body` text NOT NULL,
	`attempts` integer NOT NULL,
	`due_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `deliveries_by_due` ON `deliveries` (`due_at`);--> statement-breakpoint
CREATE TABLE `payments` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`reference` text NOT NULL,
	`key` text NOT NULL,
	`instrument` text NOT NULL,
	`capture` integer NOT NULL,
	`status` text NOT NULL,
	`decline_reason` text,
	`amount` text NOT NULL,
	`currency` text NOT NULL,
	`charge` text NOT NULL,
	`pod` text NOT NULL,
	`metadata` text NOT NULL,
	`created_at` integer NOT NULL,
	`answer_at` integer NOT NULL,
	`settle_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `payments_id_unique` ON `payments` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `payments_reference_unique` ON `payments` (`reference`);--> statement-breakpoint
CREATE INDEX `payments_by_charge` ON `payments` (`charge`);--> statement-breakpoint
CREATE INDEX `payments_by_pod` ON `payments` (`pod`);--> statement-breakpoint
CREATE INDEX `payments_to_settle` ON `payments` (`settle_at`) WHERE settle_at is not null;--> statement-breakpoint
CREATE TABLE `voided_references` (
	`reference` text PRIMARY KEY NOT NULL,
	`voided_at` integer NOT NULL
);
