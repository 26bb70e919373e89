ALTER TABLE `accounts` ADD `terms` text;--> statement-breakpoint
ALTER TABLE `accounts_next` ADD `terms` text;