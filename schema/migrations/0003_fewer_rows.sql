-- Tables in the order of their keys, and one row for what changes together: see schema/read-model.ts. Written by hand, for drizzle
-- knows no WITHOUT ROWID. A rebuild that is under way is ended: what it has filled are tables of another shape.
UPDATE `rebuilds` SET `phase` = 'superseded' WHERE `phase` NOT IN ('done', 'failed', 'superseded');
--> statement-breakpoint
UPDATE `read_model` SET `epoch` = `epoch` + 1, `rebuild` = NULL, `shadowed` = 0;
--> statement-breakpoint
CREATE TABLE `made_entries` (
	`account` text NOT NULL,
	`page` integer NOT NULL,
	`doc` text NOT NULL,
	PRIMARY KEY(`account`, `page`)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `made_entries` (`account`, `page`, `doc`)
SELECT `account`, `n` / 16, `docs` FROM (
	SELECT `account`, `n`, json_group_array(json(`doc`)) OVER (PARTITION BY `account`, `n` / 16 ORDER BY `n`) AS `docs` FROM (
		SELECT `account`, `doc`, row_number() OVER (PARTITION BY `account` ORDER BY `seq`, `leg`) - 1 AS `n` FROM `entries`
	)
) WHERE `n` % 16 = 15;
--> statement-breakpoint
CREATE TABLE `made_checkpoints` (
	`stream` text NOT NULL,
	`consumer` text NOT NULL,
	`seq` integer NOT NULL,
	`hash` text NOT NULL,
	`doc` text NOT NULL,
	PRIMARY KEY(`stream`, `consumer`)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `made_checkpoints` (`stream`, `consumer`, `seq`, `hash`, `doc`)
SELECT `stream`, `consumer`, `seq`, `hash`, coalesce(
	(SELECT json(`pods`.`doc`) FROM `pods` WHERE 'pod/' || `pods`.`id` = `stream` AND `pods`.`id` = substr(`stream`, 5)),
	(SELECT json_object(
		'counters', json(`counters`),
		'terms', json(`terms`),
		'pages', (SELECT count(*) FROM `made_entries` WHERE `made_entries`.`account` = `accounts`.`id`),
		'open', (
			SELECT json_group_array(json(`doc`)) FROM (
				SELECT `doc` FROM (
					SELECT `doc`, row_number() OVER (ORDER BY `seq`, `leg`) AS `nth` FROM `entries` WHERE `account` = `accounts`.`id`
				)
				WHERE `nth` > 16 * (SELECT count(*) FROM `made_entries` WHERE `made_entries`.`account` = `accounts`.`id`)
				ORDER BY `nth`
			)
		)
	) FROM `accounts` WHERE 'account/' || `accounts`.`id` = `stream` AND `accounts`.`id` = substr(`stream`, 9)),
	''
) FROM `checkpoints`;
--> statement-breakpoint
CREATE TABLE `made_members` (
	`pod` text NOT NULL,
	`user` text NOT NULL,
	`role` text NOT NULL,
	`joined_seq` integer NOT NULL,
	PRIMARY KEY(`pod`, `user`)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `made_members` (`pod`, `user`, `role`, `joined_seq`) SELECT `pod`, `user`, `role`, `joined_seq` FROM `members`;
--> statement-breakpoint
CREATE TABLE `made_charges` (
	`pod` text NOT NULL,
	`id` text NOT NULL,
	`doc` text NOT NULL,
	PRIMARY KEY(`pod`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `made_charges` (`pod`, `id`, `doc`) SELECT `pod`, `id`, `doc` FROM `charges`;
--> statement-breakpoint
CREATE TABLE `made_sagas` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`subject` text NOT NULL,
	`status` text NOT NULL,
	`created_at` text NOT NULL,
	`doc` text NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `made_sagas` (`id`, `kind`, `subject`, `status`, `created_at`, `doc`)
SELECT `id`, `kind`, `subject`, `status`, `created_at`, `doc` FROM `sagas`;
--> statement-breakpoint
DROP TABLE `accounts`;
--> statement-breakpoint
DROP TABLE `accounts_next`;
--> statement-breakpoint
DROP TABLE `pods`;
--> statement-breakpoint
DROP TABLE `pods_next`;
--> statement-breakpoint
DROP TABLE `checkpoints`;
--> statement-breakpoint
DROP TABLE `checkpoints_next`;
--> statement-breakpoint
DROP TABLE `members`;
--> statement-breakpoint
DROP TABLE `members_next`;
--> statement-breakpoint
DROP TABLE `charges`;
--> statement-breakpoint
DROP TABLE `charges_next`;
--> statement-breakpoint
DROP TABLE `entries`;
--> statement-breakpoint
DROP TABLE `entries_next`;
--> statement-breakpoint
DROP TABLE `sagas`;
--> statement-breakpoint
DROP TABLE `sagas_next`;
--> statement-breakpoint
ALTER TABLE `made_checkpoints` RENAME TO `checkpoints`;
--> statement-breakpoint
ALTER TABLE `made_members` RENAME TO `members`;
--> statement-breakpoint
ALTER TABLE `made_charges` RENAME TO `charges`;
--> statement-breakpoint
ALTER TABLE `made_entries` RENAME TO `entries`;
--> statement-breakpoint
ALTER TABLE `made_sagas` RENAME TO `sagas`;
--> statement-breakpoint
CREATE TABLE `checkpoints_next` (
	`stream` text NOT NULL,
	`consumer` text NOT NULL,
	`seq` integer NOT NULL,
	`hash` text NOT NULL,
	`doc` text NOT NULL,
	PRIMARY KEY(`stream`, `consumer`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `members_next` (
	`pod` text NOT NULL,
	`user` text NOT NULL,
	`role` text NOT NULL,
	`joined_seq` integer NOT NULL,
	PRIMARY KEY(`pod`, `user`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `charges_next` (
	`pod` text NOT NULL,
	`id` text NOT NULL,
	`doc` text NOT NULL,
	PRIMARY KEY(`pod`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `entries_next` (
	`account` text NOT NULL,
	`page` integer NOT NULL,
	`doc` text NOT NULL,
	PRIMARY KEY(`account`, `page`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `sagas_next` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`subject` text NOT NULL,
	`status` text NOT NULL,
	`created_at` text NOT NULL,
	`doc` text NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `members_by_user` ON `members` (`user`,`pod`);--> statement-breakpoint
CREATE INDEX `sagas_by_subject` ON `sagas` (`subject`,`id`);--> statement-breakpoint
CREATE INDEX `sagas_uncompleted` ON `sagas` (`status`,`id`) WHERE status <> 'completed';--> statement-breakpoint
CREATE INDEX `members_next_by_user` ON `members_next` (`user`,`pod`);--> statement-breakpoint
CREATE INDEX `sagas_next_by_subject` ON `sagas_next` (`subject`,`id`);--> statement-breakpoint
CREATE INDEX `sagas_next_uncompleted` ON `sagas_next` (`status`,`id`) WHERE status <> 'completed';
