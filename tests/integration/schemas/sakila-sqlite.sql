-- The sakila style schema. Made by generate.py: change it there.
CREATE TABLE "languages" (
  "language_id" SMALLINT NOT NULL,
  "name" VARCHAR(20) NOT NULL,
  PRIMARY KEY ("language_id"),
  CONSTRAINT languages_name_unique UNIQUE ("name")
);
CREATE TABLE "films" (
  "film_id" INT NOT NULL,
  "title" VARCHAR(255) NOT NULL,
  "release_year" SMALLINT,
  "language_id" SMALLINT NOT NULL,
  "original_language_id" SMALLINT,
  "rental_rate" DECIMAL(4,2) NOT NULL,
  "length" SMALLINT,
  "rating" VARCHAR(5),
  "features" JSON,
  "updated" DATETIME NOT NULL,
  PRIMARY KEY ("film_id"),
  CONSTRAINT films_rating_check CHECK (rating IN ('G', 'PG', 'PG-13', 'R', 'NC-17')),
  CONSTRAINT films_language_id_fk FOREIGN KEY ("language_id") REFERENCES "languages" ("language_id"),
  CONSTRAINT films_original_language_id_fk FOREIGN KEY ("original_language_id") REFERENCES "languages" ("language_id")
);
CREATE TABLE "actors" (
  "actor_id" BIGINT NOT NULL,
  "first_name" VARCHAR(45) NOT NULL,
  "last_name" VARCHAR(45) NOT NULL,
  "born" DATE,
  PRIMARY KEY ("actor_id")
);
CREATE TABLE "film_actors" (
  "film_id" INT NOT NULL,
  "actor_id" BIGINT NOT NULL,
  "updated" DATETIME NOT NULL,
  PRIMARY KEY ("actor_id", "film_id"),
  CONSTRAINT film_actors_film_id_fk FOREIGN KEY ("film_id") REFERENCES "films" ("film_id") ON DELETE CASCADE,
  CONSTRAINT film_actors_actor_id_fk FOREIGN KEY ("actor_id") REFERENCES "actors" ("actor_id") ON DELETE CASCADE
);
CREATE TABLE "categories" (
  "category" VARCHAR(25) NOT NULL,
  "parent" VARCHAR(25),
  PRIMARY KEY ("category"),
  CONSTRAINT categories_parent_fk FOREIGN KEY ("parent") REFERENCES "categories" ("category")
);
CREATE TABLE "film_categories" (
  "film_id" INT NOT NULL,
  "category" VARCHAR(25) NOT NULL,
  PRIMARY KEY ("film_id", "category"),
  CONSTRAINT film_categories_film_id_fk FOREIGN KEY ("film_id") REFERENCES "films" ("film_id") ON DELETE CASCADE,
  CONSTRAINT film_categories_category_fk FOREIGN KEY ("category") REFERENCES "categories" ("category")
);
CREATE TABLE "film_texts" (
  "film_id" INT NOT NULL,
  "description" TEXT NOT NULL,
  PRIMARY KEY ("film_id"),
  CONSTRAINT film_texts_film_id_fk FOREIGN KEY ("film_id") REFERENCES "films" ("film_id") ON DELETE CASCADE
);
CREATE TABLE "film_versions" (
  "film_id" INT NOT NULL,
  "version" DECIMAL(5,2) NOT NULL,
  "checksum" BLOB NOT NULL,
  PRIMARY KEY ("film_id", "version"),
  CONSTRAINT film_versions_film_id_fk FOREIGN KEY ("film_id") REFERENCES "films" ("film_id")
);
CREATE TABLE "countries" (
  "iso" VARCHAR(2) NOT NULL,
  "name" VARCHAR(60) NOT NULL,
  PRIMARY KEY ("iso")
);
CREATE TABLE "cities" (
  "city_id" INT NOT NULL,
  "iso" VARCHAR(2) NOT NULL,
  "name" VARCHAR(60) NOT NULL,
  PRIMARY KEY ("city_id"),
  CONSTRAINT cities_iso_fk FOREIGN KEY ("iso") REFERENCES "countries" ("iso")
);
CREATE TABLE "addresses" (
  "address_id" UUID NOT NULL,
  "city_id" INT NOT NULL,
  "street" VARCHAR(120) NOT NULL,
  "latitude" REAL,
  "longitude" REAL,
  "phone" VARCHAR(20),
  PRIMARY KEY ("address_id"),
  CONSTRAINT addresses_city_id_fk FOREIGN KEY ("city_id") REFERENCES "cities" ("city_id")
);
CREATE TABLE "stores" (
  "store_id" SMALLINT NOT NULL,
  "address_id" UUID NOT NULL,
  "manager_id" INT,
  PRIMARY KEY ("store_id"),
  CONSTRAINT stores_address_id_fk FOREIGN KEY ("address_id") REFERENCES "addresses" ("address_id"),
  CONSTRAINT stores_manager_id_fk FOREIGN KEY ("manager_id") REFERENCES "staff" ("staff_id")
);
CREATE TABLE "staff" (
  "staff_id" INT NOT NULL,
  "store_id" SMALLINT NOT NULL,
  "name" VARCHAR(90) NOT NULL,
  "active" BOOLEAN NOT NULL,
  "picture" BLOB,
  "shift" TIME,
  PRIMARY KEY ("staff_id"),
  CONSTRAINT staff_store_id_fk FOREIGN KEY ("store_id") REFERENCES "stores" ("store_id")
);
CREATE TABLE "members" (
  "member_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "store_id" SMALLINT NOT NULL,
  "name" VARCHAR(90) NOT NULL,
  "email" VARCHAR(80),
  "active" BOOLEAN NOT NULL,
  "joined" TIMESTAMPTZ NOT NULL,
  CONSTRAINT members_email_unique UNIQUE ("email"),
  CONSTRAINT members_store_id_fk FOREIGN KEY ("store_id") REFERENCES "stores" ("store_id")
);
CREATE TABLE "inventory" (
  "store_id" SMALLINT NOT NULL,
  "film_id" INT NOT NULL,
  "copy_number" INT NOT NULL,
  "condition_grade" REAL,
  PRIMARY KEY ("film_id", "store_id", "copy_number"),
  CONSTRAINT inventory_store_id_fk FOREIGN KEY ("store_id") REFERENCES "stores" ("store_id"),
  CONSTRAINT inventory_film_id_fk FOREIGN KEY ("film_id") REFERENCES "films" ("film_id")
) WITHOUT ROWID;
CREATE TABLE "rentals" (
  "rental_id" BIGINT NOT NULL,
  "film_id" INT NOT NULL,
  "store_id" SMALLINT NOT NULL,
  "copy_number" INT NOT NULL,
  "member_id" BIGINT NOT NULL,
  "rented" DATETIME NOT NULL,
  "returned" DATETIME,
  PRIMARY KEY ("rental_id"),
  CONSTRAINT rentals_rented_unique UNIQUE ("rented", "member_id", "film_id"),
  CONSTRAINT rentals_film_id_fk FOREIGN KEY ("film_id", "store_id", "copy_number") REFERENCES "inventory" ("film_id", "store_id", "copy_number"),
  CONSTRAINT rentals_member_id_fk FOREIGN KEY ("member_id") REFERENCES "members" ("member_id")
);
CREATE TABLE "payments" (
  "payment_id" UUID NOT NULL,
  "rental_id" BIGINT,
  "amount" DECIMAL(12,2) NOT NULL,
  "paid" TIMESTAMPTZ NOT NULL,
  "method" VARCHAR(10) NOT NULL,
  PRIMARY KEY ("payment_id"),
  CONSTRAINT payments_method_check CHECK (method IN ('cash', 'card', 'voucher')),
  CONSTRAINT payments_rental_id_fk FOREIGN KEY ("rental_id") REFERENCES "rentals" ("rental_id") ON DELETE SET NULL
);
CREATE TABLE "daily_takings" (
  "taken_on" DATE NOT NULL,
  "store_id" SMALLINT NOT NULL,
  "amount" DECIMAL(15,2) NOT NULL,
  "closed" BOOLEAN NOT NULL,
  PRIMARY KEY ("taken_on", "store_id"),
  CONSTRAINT daily_takings_store_id_fk FOREIGN KEY ("store_id") REFERENCES "stores" ("store_id")
);
CREATE TABLE "barcodes" (
  "code" BLOB NOT NULL,
  "film_id" INT NOT NULL,
  "store_id" SMALLINT NOT NULL,
  "copy_number" INT NOT NULL,
  PRIMARY KEY ("code"),
  CONSTRAINT barcodes_film_id_fk FOREIGN KEY ("film_id", "store_id", "copy_number") REFERENCES "inventory" ("film_id", "store_id", "copy_number")
);
CREATE TABLE "audit_entries" (
  "entry_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "at" DATETIME NOT NULL,
  "who" VARCHAR(60),
  "body" TEXT
);
CREATE INDEX films_title_index ON "films" ("title");
CREATE INDEX actors_last_name_first_name_index ON "actors" ("last_name", "first_name");
CREATE INDEX film_actors_film_id_index ON "film_actors" ("film_id");
CREATE INDEX rentals_member_id_index ON "rentals" ("member_id");
