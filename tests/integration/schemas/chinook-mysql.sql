-- The chinook style schema. Made by generate.py: change it there.
CREATE TABLE `artists` (
  `artist_id` int NOT NULL,
  `name` varchar(120) NOT NULL,
  `formed` date,
  PRIMARY KEY (`artist_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `genres` (
  `genre_code` varchar(20) COLLATE utf8mb4_bin NOT NULL,
  `title` varchar(80) NOT NULL,
  `sort_weight` decimal(6,3) NOT NULL,
  PRIMARY KEY (`genre_code`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `media_types` (
  `media_type_id` smallint NOT NULL,
  `name` varchar(40) NOT NULL,
  PRIMARY KEY (`media_type_id`),
  CONSTRAINT media_types_name_unique UNIQUE (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `albums` (
  `album_id` bigint NOT NULL,
  `artist_id` int NOT NULL,
  `title` varchar(160) NOT NULL,
  `released` date,
  `cover` varbinary(400),
  PRIMARY KEY (`album_id`),
  CONSTRAINT albums_artist_id_fk FOREIGN KEY (`artist_id`) REFERENCES `artists` (`artist_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `tracks` (
  `track_id` char(36) CHARACTER SET ascii NOT NULL,
  `album_id` bigint,
  `genre_code` varchar(20) COLLATE utf8mb4_bin,
  `media_type_id` smallint NOT NULL,
  `name` varchar(200) NOT NULL,
  `composer` varchar(220),
  `milliseconds` int NOT NULL,
  `unit_price` decimal(10,2) NOT NULL,
  `loudness` double,
  `explicit` tinyint(1) NOT NULL,
  `lyrics` longtext,
  PRIMARY KEY (`track_id`),
  CONSTRAINT tracks_price_check CHECK (unit_price >= 0),
  CONSTRAINT tracks_album_id_fk FOREIGN KEY (`album_id`) REFERENCES `albums` (`album_id`) ON DELETE SET NULL,
  CONSTRAINT tracks_genre_code_fk FOREIGN KEY (`genre_code`) REFERENCES `genres` (`genre_code`),
  CONSTRAINT tracks_media_type_id_fk FOREIGN KEY (`media_type_id`) REFERENCES `media_types` (`media_type_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `album_positions` (
  `album_id` bigint NOT NULL,
  `disc` smallint NOT NULL,
  `position` int NOT NULL,
  `track_id` char(36) CHARACTER SET ascii NOT NULL,
  PRIMARY KEY (`album_id`, `disc`, `position`),
  CONSTRAINT album_positions_track_id_unique UNIQUE (`track_id`),
  CONSTRAINT album_positions_album_id_fk FOREIGN KEY (`album_id`) REFERENCES `albums` (`album_id`) ON DELETE CASCADE,
  CONSTRAINT album_positions_track_id_fk FOREIGN KEY (`track_id`) REFERENCES `tracks` (`track_id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `playlists` (
  `playlist_id` int NOT NULL AUTO_INCREMENT,
  `name` varchar(120),
  `shared` tinyint(1) NOT NULL,
  `created` datetime(6) NOT NULL,
  PRIMARY KEY (`playlist_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `playlist_tracks` (
  `playlist_id` int NOT NULL,
  `track_id` char(36) CHARACTER SET ascii NOT NULL,
  PRIMARY KEY (`playlist_id`, `track_id`),
  CONSTRAINT playlist_tracks_playlist_id_fk FOREIGN KEY (`playlist_id`) REFERENCES `playlists` (`playlist_id`) ON DELETE CASCADE,
  CONSTRAINT playlist_tracks_track_id_fk FOREIGN KEY (`track_id`) REFERENCES `tracks` (`track_id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `employees` (
  `employee_id` int NOT NULL,
  `reports_to` int,
  `last_name` varchar(40) NOT NULL,
  `title` varchar(60),
  `hired` date NOT NULL,
  `starts_at` time(6),
  `salary` decimal(12,2) NOT NULL,
  `photo` varbinary(400),
  PRIMARY KEY (`employee_id`),
  CONSTRAINT employees_reports_to_fk FOREIGN KEY (`reports_to`) REFERENCES `employees` (`employee_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `customers` (
  `customer_id` bigint NOT NULL AUTO_INCREMENT,
  `email` varchar(100),
  `name` varchar(120) NOT NULL,
  `country` varchar(2) NOT NULL,
  `support_rep_id` int,
  `balance` decimal(15,4) NOT NULL,
  `created` timestamp(6) NOT NULL DEFAULT '1970-01-01 00:00:01',
  PRIMARY KEY (`customer_id`),
  CONSTRAINT customers_email_unique UNIQUE (`email`),
  CONSTRAINT customers_support_rep_id_fk FOREIGN KEY (`support_rep_id`) REFERENCES `employees` (`employee_id`) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `invoices` (
  `invoice_id` bigint NOT NULL,
  `customer_id` bigint NOT NULL,
  `placed` datetime(6) NOT NULL,
  `total` decimal(10,2) NOT NULL,
  `status` varchar(12) NOT NULL,
  `notes` json,
  PRIMARY KEY (`invoice_id`),
  CONSTRAINT invoices_status_check CHECK (status IN ('open', 'paid', 'void')),
  CONSTRAINT invoices_customer_id_fk FOREIGN KEY (`customer_id`) REFERENCES `customers` (`customer_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `invoice_lines` (
  `invoice_id` bigint NOT NULL,
  `line_number` smallint NOT NULL,
  `track_id` char(36) CHARACTER SET ascii NOT NULL,
  `quantity` int NOT NULL,
  `unit_price` decimal(10,2) NOT NULL,
  PRIMARY KEY (`invoice_id`, `line_number`),
  CONSTRAINT invoice_lines_quantity_check CHECK (quantity > 0),
  CONSTRAINT invoice_lines_invoice_id_fk FOREIGN KEY (`invoice_id`) REFERENCES `invoices` (`invoice_id`) ON DELETE CASCADE,
  CONSTRAINT invoice_lines_track_id_fk FOREIGN KEY (`track_id`) REFERENCES `tracks` (`track_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `play_counts` (
  `played_on` date NOT NULL,
  `station` int NOT NULL,
  `plays` bigint NOT NULL,
  PRIMARY KEY (`played_on`, `station`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `device_tokens` (
  `token` varbinary(32) NOT NULL,
  `customer_id` bigint NOT NULL,
  `last_seen` datetime(6),
  PRIMARY KEY (`token`),
  CONSTRAINT device_tokens_customer_id_fk FOREIGN KEY (`customer_id`) REFERENCES `customers` (`customer_id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `price_lists` (
  `tier` smallint NOT NULL,
  `genre_code` varchar(20) COLLATE utf8mb4_bin NOT NULL,
  `valid_from` datetime(6) NOT NULL,
  `price` decimal(10,2) NOT NULL,
  PRIMARY KEY (`genre_code`, `valid_from`, `tier`),
  CONSTRAINT price_lists_genre_code_fk FOREIGN KEY (`genre_code`) REFERENCES `genres` (`genre_code`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `price_notes` (
  `note_id` int NOT NULL,
  `genre_code` varchar(20) COLLATE utf8mb4_bin,
  `valid_from` datetime(6),
  `tier` smallint,
  `note` longtext NOT NULL,
  PRIMARY KEY (`note_id`),
  CONSTRAINT price_notes_genre_code_fk FOREIGN KEY (`genre_code`, `valid_from`, `tier`) REFERENCES `price_lists` (`genre_code`, `valid_from`, `tier`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `settings` (
  `name` varchar(60) COLLATE utf8mb4_bin NOT NULL,
  `value` longtext,
  `extra` json,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `quarantine` (
  `item_id` int NOT NULL,
  `reason` varchar(80),
  PRIMARY KEY (`item_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX albums_artist_id_index ON `albums` (`artist_id`);
CREATE INDEX albums_released_title_index ON `albums` (`released`, `title`);
CREATE INDEX tracks_album_id_index ON `tracks` (`album_id`);
CREATE INDEX tracks_name_index ON `tracks` (`name`);
CREATE INDEX playlist_tracks_track_id_index ON `playlist_tracks` (`track_id`);
CREATE INDEX customers_country_name_index ON `customers` (`country`, `name`);
CREATE INDEX invoices_customer_id_placed_index ON `invoices` (`customer_id`, `placed`);
