-- The chinook style schema. Made by generate.py: change it there.
CREATE TABLE "artists" (
  "artist_id" INT NOT NULL,
  "name" VARCHAR(120) NOT NULL,
  "formed" DATE,
  PRIMARY KEY ("artist_id")
);
CREATE TABLE "genres" (
  "genre_code" VARCHAR(20) NOT NULL,
  "title" VARCHAR(80) NOT NULL,
  "sort_weight" DECIMAL(6,3) NOT NULL,
  PRIMARY KEY ("genre_code")
);
CREATE TABLE "media_types" (
  "media_type_id" SMALLINT NOT NULL,
  "name" VARCHAR(40) NOT NULL,
  PRIMARY KEY ("media_type_id"),
  CONSTRAINT media_types_name_unique UNIQUE ("name")
);
CREATE TABLE "albums" (
  "album_id" BIGINT NOT NULL,
  "artist_id" INT NOT NULL,
  "title" VARCHAR(160) NOT NULL,
  "released" DATE,
  "cover" BLOB,
  PRIMARY KEY ("album_id"),
  CONSTRAINT albums_artist_id_fk FOREIGN KEY ("artist_id") REFERENCES "artists" ("artist_id")
);
CREATE TABLE "tracks" (
  "track_id" UUID NOT NULL,
  "album_id" BIGINT,
  "genre_code" VARCHAR(20),
  "media_type_id" SMALLINT NOT NULL,
  "name" VARCHAR(200) NOT NULL,
  "composer" VARCHAR(220),
  "milliseconds" INT NOT NULL,
  "unit_price" DECIMAL(10,2) NOT NULL,
  "loudness" REAL,
  "explicit" BOOLEAN NOT NULL,
  "lyrics" TEXT,
  PRIMARY KEY ("track_id"),
  CONSTRAINT tracks_price_check CHECK (unit_price >= 0),
  CONSTRAINT tracks_album_id_fk FOREIGN KEY ("album_id") REFERENCES "albums" ("album_id") ON DELETE SET NULL,
  CONSTRAINT tracks_genre_code_fk FOREIGN KEY ("genre_code") REFERENCES "genres" ("genre_code"),
  CONSTRAINT tracks_media_type_id_fk FOREIGN KEY ("media_type_id") REFERENCES "media_types" ("media_type_id")
);
CREATE TABLE "album_positions" (
  "album_id" BIGINT NOT NULL,
  "disc" SMALLINT NOT NULL,
  "position" INT NOT NULL,
  "track_id" UUID NOT NULL,
  PRIMARY KEY ("album_id", "disc", "position"),
  CONSTRAINT album_positions_track_id_unique UNIQUE ("track_id"),
  CONSTRAINT album_positions_album_id_fk FOREIGN KEY ("album_id") REFERENCES "albums" ("album_id") ON DELETE CASCADE,
  CONSTRAINT album_positions_track_id_fk FOREIGN KEY ("track_id") REFERENCES "tracks" ("track_id") ON DELETE CASCADE
);
CREATE TABLE "playlists" (
  "playlist_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "name" VARCHAR(120),
  "shared" BOOLEAN NOT NULL,
  "created" DATETIME NOT NULL
);
CREATE TABLE "playlist_tracks" (
  "playlist_id" INT NOT NULL,
  "track_id" UUID NOT NULL,
  PRIMARY KEY ("playlist_id", "track_id"),
  CONSTRAINT playlist_tracks_playlist_id_fk FOREIGN KEY ("playlist_id") REFERENCES "playlists" ("playlist_id") ON DELETE CASCADE,
  CONSTRAINT playlist_tracks_track_id_fk FOREIGN KEY ("track_id") REFERENCES "tracks" ("track_id") ON DELETE CASCADE
);
CREATE TABLE "employees" (
  "employee_id" INT NOT NULL,
  "reports_to" INT,
  "last_name" VARCHAR(40) NOT NULL,
  "title" VARCHAR(60),
  "hired" DATE NOT NULL,
  "starts_at" TIME,
  "salary" DECIMAL(12,2) NOT NULL,
  "photo" BLOB,
  PRIMARY KEY ("employee_id"),
  CONSTRAINT employees_reports_to_fk FOREIGN KEY ("reports_to") REFERENCES "employees" ("employee_id")
);
CREATE TABLE "customers" (
  "customer_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "email" VARCHAR(100),
  "name" VARCHAR(120) NOT NULL,
  "country" VARCHAR(2) NOT NULL,
  "support_rep_id" INT,
  "balance" DECIMAL(15,4) NOT NULL,
  "created" TIMESTAMPTZ NOT NULL,
  CONSTRAINT customers_email_unique UNIQUE ("email"),
  CONSTRAINT customers_support_rep_id_fk FOREIGN KEY ("support_rep_id") REFERENCES "employees" ("employee_id") ON DELETE SET NULL
);
CREATE TABLE "invoices" (
  "invoice_id" BIGINT NOT NULL,
  "customer_id" BIGINT NOT NULL,
  "placed" DATETIME NOT NULL,
  "total" DECIMAL(10,2) NOT NULL,
  "status" VARCHAR(12) NOT NULL,
  "notes" JSON,
  PRIMARY KEY ("invoice_id"),
  CONSTRAINT invoices_status_check CHECK (status IN ('open', 'paid', 'void')),
  CONSTRAINT invoices_customer_id_fk FOREIGN KEY ("customer_id") REFERENCES "customers" ("customer_id")
);
CREATE TABLE "invoice_lines" (
  "invoice_id" BIGINT NOT NULL,
  "line_number" SMALLINT NOT NULL,
  "track_id" UUID NOT NULL,
  "quantity" INT NOT NULL,
  "unit_price" DECIMAL(10,2) NOT NULL,
  PRIMARY KEY ("invoice_id", "line_number"),
  CONSTRAINT invoice_lines_quantity_check CHECK (quantity > 0),
  CONSTRAINT invoice_lines_invoice_id_fk FOREIGN KEY ("invoice_id") REFERENCES "invoices" ("invoice_id") ON DELETE CASCADE,
  CONSTRAINT invoice_lines_track_id_fk FOREIGN KEY ("track_id") REFERENCES "tracks" ("track_id")
);
CREATE TABLE "play_counts" (
  "played_on" DATE NOT NULL,
  "station" INT NOT NULL,
  "plays" BIGINT NOT NULL,
  PRIMARY KEY ("played_on", "station")
);
CREATE TABLE "device_tokens" (
  "token" BLOB NOT NULL,
  "customer_id" BIGINT NOT NULL,
  "last_seen" DATETIME,
  PRIMARY KEY ("token"),
  CONSTRAINT device_tokens_customer_id_fk FOREIGN KEY ("customer_id") REFERENCES "customers" ("customer_id") ON DELETE CASCADE
);
CREATE TABLE "price_lists" (
  "tier" SMALLINT NOT NULL,
  "genre_code" VARCHAR(20) NOT NULL,
  "valid_from" DATETIME NOT NULL,
  "price" DECIMAL(10,2) NOT NULL,
  PRIMARY KEY ("genre_code", "valid_from", "tier"),
  CONSTRAINT price_lists_genre_code_fk FOREIGN KEY ("genre_code") REFERENCES "genres" ("genre_code")
) WITHOUT ROWID;
CREATE TABLE "price_notes" (
  "note_id" INT NOT NULL,
  "genre_code" VARCHAR(20),
  "valid_from" DATETIME,
  "tier" SMALLINT,
  "note" TEXT NOT NULL,
  PRIMARY KEY ("note_id"),
  CONSTRAINT price_notes_genre_code_fk FOREIGN KEY ("genre_code", "valid_from", "tier") REFERENCES "price_lists" ("genre_code", "valid_from", "tier")
);
CREATE TABLE "settings" (
  "name" VARCHAR(60) NOT NULL,
  "value" TEXT,
  "extra" JSON,
  PRIMARY KEY ("name")
);
CREATE TABLE "quarantine" (
  "item_id" INT NOT NULL,
  "reason" VARCHAR(80),
  PRIMARY KEY ("item_id")
);
CREATE INDEX albums_artist_id_index ON "albums" ("artist_id");
CREATE INDEX albums_released_title_index ON "albums" ("released", "title");
CREATE INDEX tracks_album_id_index ON "tracks" ("album_id");
CREATE INDEX tracks_name_index ON "tracks" ("name");
CREATE INDEX playlist_tracks_track_id_index ON "playlist_tracks" ("track_id");
CREATE INDEX customers_country_name_index ON "customers" ("country", "name");
CREATE INDEX invoices_customer_id_placed_index ON "invoices" ("customer_id", "placed");
