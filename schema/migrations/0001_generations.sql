CREATE TABLE `accounts_next` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`owner` text,
	`currency` text NOT NULL,
	`counters` text NOT NULL,
	`seq` integer NOT NULL,
	`hash` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `accounts_next_by_owner` ON `accounts_next` (`kind`,`owner`);--> statement-breakpoint
CREATE TABLE `charges_next` (
	`id` text PRIMARY KEY NOT NULL,
	`pod` text NOT NULL,
	`payer` text NOT NULL,
	`status` text NOT NULL,
	`created_at` text NOT NULL,
	`doc` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `charges_next_by_pod` ON `charges_next` (`pod`,`id`);--> statement-breakpoint
CREATE TABLE `checkpoints_next` (
	`stream` text NOT NULL,
	`consumer` text NOT NULL,
	`seq` integer NOT NULL,
	`hash` text NOT NULL,
	`updated_at` text NOT NULL,
	PRIMARY KEY(`stream`, `consumer`)
);
--> statement-breakpoint
CREATE TABLE `entries_next` (
	`account` text NOT NULL,
	`seq` integer NOT NULL,
	`leg` integer NOT NULL,
	`currency` text NOT NULL,
	`recorded_at` text NOT NULL,
	`doc` text NOT NULL,
	PRIMARY KEY(`account`, `seq`, `leg`)
);
--> statement-breakpoint
CREATE TABLE `members_next` (
	`pod` text NOT NULL,
	`user` text NOT NULL,
	`role` text NOT NULL,
	`joined_seq` integer NOT NULL,
	PRIMARY KEY(`pod`, `user`)
);
--> statement-breakpoint
CREATE INDEX `members_next_by_user` ON `members_next` (`user`,`pod`);--> statement-breakpoint
CREATE TABLE `pods_next` (
	`id` text PRIMARY KEY NOT NULL,
	`status` text NOT NULL,
	`created_at` text NOT NULL,
	`seq` integer NOT NULL,
	`log_head` text NOT NULL,
	`doc` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `read_model` (
	`id` integer PRIMARY KEY NOT NULL,
	`epoch` integer NOT NULL,
	`rebuild` text,
	`shadowed` integer NOT NULL,
	`named` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `rebuilds` (
	`id` text PRIMARY KEY NOT NULL,
	`step` integer NOT NULL,
	`phase` text NOT NULL,
	`position` text NOT NULL,
	`streams` integer NOT NULL,
	`rows` integer NOT NULL,
	`differ` integer NOT NULL,
	`differences` text NOT NULL,
	`error` text,
	`principal` text NOT NULL,
	`started_at` text NOT NULL,
	`updated_at` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `sagas_next` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`subject` text NOT NULL,
	`status` text NOT NULL,
	`created_at` text NOT NULL,
	`doc` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `sagas_next_by_subject` ON `sagas_next` (`subject`,`id`);--> statement-breakpoint
CREATE INDEX `sagas_next_uncompleted` ON `sagas_next` (`status`,`id`) WHERE status <> 'completed';