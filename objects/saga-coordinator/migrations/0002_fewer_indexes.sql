ALTER TABLE `sagas` RENAME COLUMN `live` TO `open`;--> statement-breakpoint
ALTER TABLE `sagas` ADD `scope` text;--> statement-breakpoint
UPDATE `sagas` SET `open` = 1 WHERE `open_tag` IS NOT NULL;--> statement-breakpoint
UPDATE `sagas` SET `scope` = (SELECT `scope` FROM `commands` WHERE `target` = `sagas`.`id`) WHERE `open` = 1 OR `status` = 'parked';--> statement-breakpoint
DROP INDEX `sagas_open`;--> statement-breakpoint
DROP INDEX `sagas_live`;--> statement-breakpoint
CREATE INDEX `sagas_open` ON `sagas` (`id`) WHERE open = 1;--> statement-breakpoint
DROP INDEX `commands_target`;--> statement-breakpoint
DROP INDEX `commands_created`;