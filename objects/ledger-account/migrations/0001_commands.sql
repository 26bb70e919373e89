CREATE TABLE `commands` (
	`subject` text NOT NULL,
	`command` text NOT NULL,
	`key` text NOT NULL,
	`request` text NOT NULL,
	`answer` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`subject`, `command`, `key`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `commands_at` ON `commands` (`at`);