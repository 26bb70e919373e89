CREATE TABLE `accounts` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`owner` text,
	`currency` text NOT NULL,
	`counters` text NOT NULL,
	`seq` integer NOT NULL,
	`hash` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `accounts_by_owner` ON `accounts` (`kind`,`owner`);--> statement-breakpoint
CREATE TABLE `charges` (
	`id` text PRIMARY KEY NOT NULL,
	`pod` text NOT NULL,
	`payer` text NOT NULL,
	`status` text NOT NULL,
	`created_at` text NOT NULL,
	`doc` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `charges_by_pod` ON `charges` (`pod`,`id`);--> statement-breakpoint
CREATE TABLE `checkpoints` (
	`stream` text NOT NULL,
	`consumer` text NOT NULL,
	`seq` integer NOT NULL,
	`hash` text NOT NULL,
	`updated_at` text NOT NULL,
	PRIMARY KEY(`stream`, `consumer`)
);
--> statement-breakpoint
CREATE TABLE `dead_letters` (
	`id` text PRIMARY KEY NOT NULL,
	`queue` text NOT NULL,
	`stream` text,
	`body` text NOT NULL,
	`reason` text NOT NULL,
	`attempts` integer NOT NULL,
	`parked_at` text NOT NULL,
	`redriven_at` text
);
--> statement-breakpoint
CREATE TABLE `entries` (
	`account` text NOT NULL,
	`seq` integer NOT NULL,
	`leg` integer NOT NULL,
	`currency` text NOT NULL,
	`recorded_at` text NOT NULL,
	`doc` text NOT NULL,
	PRIMARY KEY(`account`, `seq`, `leg`)
);
--> statement-breakpoint
CREATE TABLE `members` (
	`pod` text NOT NULL,
	`user` text NOT NULL,
	`role` text NOT NULL,
	`joined_seq` integer NOT NULL,
	PRIMARY KEY(`pod`, `user`)
);
--> statement-breakpoint
CREATE INDEX `members_by_user` ON `members` (`user`,`pod`);--> statement-breakpoint
CREATE TABLE `pods` (
	`id` text PRIMARY KEY NOT NULL,
	`status` text NOT NULL,
	`created_at` text NOT NULL,
	`seq` integer NOT NULL,
	`log_head` text NOT NULL,
	`doc` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `sagas` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`subject` text NOT NULL,
	`status` text NOT NULL,
	`created_at` text NOT NULL,
	`doc` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `sagas_by_subject` ON `sagas` (`subject`,`id`);--> statement-breakpoint
CREATE INDEX `sagas_uncompleted` ON `sagas` (`status`,`id`) WHERE status <> 'completed';