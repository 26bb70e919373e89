CREATE TABLE `behaviour` (
	`id` integer PRIMARY KEY NOT NULL,
	`change` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `cancelled_references` (
	`reference` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `quotes` (
	`id` text PRIMARY KEY NOT NULL,
	`terms` text NOT NULL,
	`firm_until` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `trades` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`reference` text NOT NULL,
	`quote` text NOT NULL,
	`terms` text NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `trades_id_unique` ON `trades` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `trades_reference_unique` ON `trades` (`reference`);--> statement-breakpoint
CREATE UNIQUE INDEX `trades_quote_unique` ON `trades` (`quote`);