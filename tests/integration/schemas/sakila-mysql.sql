-- The sakila style schema. Made by generate.py: change it there.
CREATE TABLE `languages` (
  `language_id` smallint NOT NULL,
  `name` varchar(20) NOT NULL,
  PRIMARY KEY (`language_id`),
  CONSTRAINT languages_name_unique UNIQUE (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `films` (
  `film_id` int NOT NULL,
  `title` varchar(255) NOT NULL,
  `release_year` smallint,
  `language_id` smallint NOT NULL,
  `original_language_id` smallint,
  `rental_rate` decimal(4,2) NOT NULL,
  `length` smallint,
  `rating` varchar(5),
  `features` json,
  `updated` datetime(6) NOT NULL,
  PRIMARY KEY (`film_id`),
  CONSTRAINT films_rating_check CHECK (rating IN ('G', 'PG', 'PG-13', 'R', 'NC-17')),
  CONSTRAINT films_language_id_fk FOREIGN KEY (`language_id`) REFERENCES `languages` (`language_id`),
  CONSTRAINT films_original_language_id_fk FOREIGN KEY (`original_language_id`) REFERENCES `languages` (`language_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `actors` (
  `actor_id` bigint NOT NULL,
  `first_name` varchar(45) NOT NULL,
  `last_name` varchar(45) NOT NULL,
  `born` date,
  PRIMARY KEY (`actor_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `film_actors` (
  `film_id` int NOT NULL,
  `actor_id` bigint NOT NULL,
  `updated` datetime(6) NOT NULL,
  PRIMARY KEY (`actor_id`, `film_id`),
  CONSTRAINT film_actors_film_id_fk FOREIGN KEY (`film_id`) REFERENCES `films` (`film_id`) ON DELETE CASCADE,
  CONSTRAINT film_actors_actor_id_fk FOREIGN KEY (`actor_id`) REFERENCES `actors` (`actor_id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `categories` (
  `category` varchar(25) COLLATE utf8mb4_bin NOT NULL,
  `parent` varchar(25) COLLATE utf8mb4_bin,
  PRIMARY KEY (`category`),
  CONSTRAINT categories_parent_fk FOREIGN KEY (`parent`) REFERENCES `categories` (`category`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `film_categories` (
  `film_id` int NOT NULL,
  `category` varchar(25) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (`film_id`, `category`),
  CONSTRAINT film_categories_film_id_fk FOREIGN KEY (`film_id`) REFERENCES `films` (`film_id`) ON DELETE CASCADE,
  CONSTRAINT film_categories_category_fk FOREIGN KEY (`category`) REFERENCES `categories` (`category`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `film_texts` (
  `film_id` int NOT NULL,
  `description` longtext NOT NULL,
  PRIMARY KEY (`film_id`),
  CONSTRAINT film_texts_film_id_fk FOREIGN KEY (`film_id`) REFERENCES `films` (`film_id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `film_versions` (
  `film_id` int NOT NULL,
  `version` decimal(5,2) NOT NULL,
  `checksum` varbinary(20) NOT NULL,
  PRIMARY KEY (`film_id`, `version`),
  CONSTRAINT film_versions_film_id_fk FOREIGN KEY (`film_id`) REFERENCES `films` (`film_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `countries` (
  `iso` varchar(2) COLLATE utf8mb4_bin NOT NULL,
  `name` varchar(60) NOT NULL,
  PRIMARY KEY (`iso`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `cities` (
  `city_id` int NOT NULL,
  `iso` varchar(2) COLLATE utf8mb4_bin NOT NULL,
  `name` varchar(60) NOT NULL,
  PRIMARY KEY (`city_id`),
  CONSTRAINT cities_iso_fk FOREIGN KEY (`iso`) REFERENCES `countries` (`iso`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `addresses` (
  `address_id` char(36) CHARACTER SET ascii NOT NULL,
  `city_id` int NOT NULL,
  `street` varchar(120) NOT NULL,
  `latitude` double,
  `longitude` double,
  `phone` varchar(20),
  PRIMARY KEY (`address_id`),
  CONSTRAINT addresses_city_id_fk FOREIGN KEY (`city_id`) REFERENCES `cities` (`city_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `stores` (
  `store_id` smallint NOT NULL,
  `address_id` char(36) CHARACTER SET ascii NOT NULL,
  `manager_id` int,
  PRIMARY KEY (`store_id`),
  CONSTRAINT stores_address_id_fk FOREIGN KEY (`address_id`) REFERENCES `addresses` (`address_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `staff` (
  `staff_id` int NOT NULL,
  `store_id` smallint NOT NULL,
  `name` varchar(90) NOT NULL,
  `active` tinyint(1) NOT NULL,
  `picture` varbinary(400),
  `shift` time(6),
  PRIMARY KEY (`staff_id`),
  CONSTRAINT staff_store_id_fk FOREIGN KEY (`store_id`) REFERENCES `stores` (`store_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `members` (
  `member_id` bigint NOT NULL AUTO_INCREMENT,
  `store_id` smallint NOT NULL,
  `name` varchar(90) NOT NULL,
  `email` varchar(80),
  `active` tinyint(1) NOT NULL,
  `joined` timestamp(6) NOT NULL DEFAULT '1970-01-01 00:00:01',
  PRIMARY KEY (`member_id`),
  CONSTRAINT members_email_unique UNIQUE (`email`),
  CONSTRAINT members_store_id_fk FOREIGN KEY (`store_id`) REFERENCES `stores` (`store_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `inventory` (
  `store_id` smallint NOT NULL,
  `film_id` int NOT NULL,
  `copy_number` int NOT NULL,
  `condition_grade` double,
  PRIMARY KEY (`film_id`, `store_id`, `copy_number`),
  CONSTRAINT inventory_store_id_fk FOREIGN KEY (`store_id`) REFERENCES `stores` (`store_id`),
  CONSTRAINT inventory_film_id_fk FOREIGN KEY (`film_id`) REFERENCES `films` (`film_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `rentals` (
  `rental_id` bigint NOT NULL,
  `film_id` int NOT NULL,
  `store_id` smallint NOT NULL,
  `copy_number` int NOT NULL,
  `member_id` bigint NOT NULL,
  `rented` datetime(6) NOT NULL,
  `returned` datetime(6),
  PRIMARY KEY (`rental_id`),
  CONSTRAINT rentals_rented_unique UNIQUE (`rented`, `member_id`, `film_id`),
  CONSTRAINT rentals_film_id_fk FOREIGN KEY (`film_id`, `store_id`, `copy_number`) REFERENCES `inventory` (`film_id`, `store_id`, `copy_number`),
  CONSTRAINT rentals_member_id_fk FOREIGN KEY (`member_id`) REFERENCES `members` (`member_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `payments` (
  `payment_id` char(36) CHARACTER SET ascii NOT NULL,
  `rental_id` bigint,
  `amount` decimal(12,2) NOT NULL,
  `paid` timestamp(6) NOT NULL DEFAULT '1970-01-01 00:00:01',
  `method` varchar(10) NOT NULL,
  PRIMARY KEY (`payment_id`),
  CONSTRAINT payments_method_check CHECK (method IN ('cash', 'card', 'voucher')),
  CONSTRAINT payments_rental_id_fk FOREIGN KEY (`rental_id`) REFERENCES `rentals` (`rental_id`) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `daily_takings` (
  `taken_on` date NOT NULL,
  `store_id` smallint NOT NULL,
  `amount` decimal(15,2) NOT NULL,
  `closed` tinyint(1) NOT NULL,
  PRIMARY KEY (`taken_on`, `store_id`),
  CONSTRAINT daily_takings_store_id_fk FOREIGN KEY (`store_id`) REFERENCES `stores` (`store_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `barcodes` (
  `code` varbinary(16) NOT NULL,
  `film_id` int NOT NULL,
  `store_id` smallint NOT NULL,
  `copy_number` int NOT NULL,
  PRIMARY KEY (`code`),
  CONSTRAINT barcodes_film_id_fk FOREIGN KEY (`film_id`, `store_id`, `copy_number`) REFERENCES `inventory` (`film_id`, `store_id`, `copy_number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `audit_entries` (
  `entry_id` bigint NOT NULL AUTO_INCREMENT,
  `at` datetime(6) NOT NULL,
  `who` varchar(60),
  `body` longtext,
  PRIMARY KEY (`entry_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX films_title_index ON `films` (`title`);
CREATE INDEX actors_last_name_first_name_index ON `actors` (`last_name`, `first_name`);
CREATE INDEX film_actors_film_id_index ON `film_actors` (`film_id`);
CREATE INDEX rentals_member_id_index ON `rentals` (`member_id`);
ALTER TABLE `stores` ADD CONSTRAINT stores_manager_id_fk FOREIGN KEY (`manager_id`) REFERENCES `staff` (`staff_id`);
