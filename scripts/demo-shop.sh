#!/usr/bin/env bash
# Makes a shop: an SQLite database of some 500,000 rows in 11 tables, the same ones each time.
#
# usage: scripts/demo-shop.sh FILE [--force]
#
#   FILE      the database to make
#   --force   replace FILE if it exists
#   --help    this text
#
# Needs nothing but the sqlite3 command, and takes a few seconds. Each row is computed from its number by a
# multiplication that scatters (there is no random() in it), so that two shops are equal to the last byte of
# every value.
# Exit status: 0 made, 1 failed, 2 wrong usage.
set -euo pipefail

usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

file=""
force=false
for argument in "$@"; do
  case $argument in
    --force) force=true ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*)
      echo "demo-shop.sh: unknown option $argument; see scripts/demo-shop.sh --help" >&2
      exit 2
      ;;
    *) file=$argument ;;
  esac
done
if [[ ! $file ]]; then
  echo "demo-shop.sh: name the file to make; see scripts/demo-shop.sh --help" >&2
  exit 2
fi
if ! command -v sqlite3 >/dev/null; then
  echo "demo-shop.sh: sqlite3 is missing; scripts/setup.sh --demo installs it" >&2
  exit 1
fi
if [[ -e $file ]] && ! $force; then
  echo "demo-shop.sh: $file exists; give --force to replace it" >&2
  exit 1
fi

# Made beside its place and renamed at the end, so that there is never half a shop under the name.
unfinished=$file.unfinished
trap 'rm -f "$unfinished"' EXIT
rm -f "$unfinished"

sqlite3 -bail "$unfinished" >/dev/null <<'SQL'
-- A file that is thrown away when this fails needs no journal.
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -65536;
PRAGMA foreign_keys = OFF;  -- checked as a whole at the end

CREATE TABLE categories (
  id INTEGER PRIMARY KEY,
  parent_id INTEGER REFERENCES categories (id),
  name VARCHAR(60) NOT NULL,
  position SMALLINT NOT NULL
);
CREATE TABLE products (
  id INTEGER PRIMARY KEY,
  category_id INTEGER NOT NULL REFERENCES categories (id),
  sku VARCHAR(20) NOT NULL,
  title VARCHAR(120) NOT NULL,
  description TEXT,
  price DECIMAL(10,2) NOT NULL,
  weight_kg DOUBLE,
  attributes JSON,
  fingerprint BLOB,
  active BOOLEAN NOT NULL DEFAULT 1,
  created_on DATE NOT NULL
);
CREATE TABLE inventory (
  product_id INTEGER NOT NULL REFERENCES products (id),
  warehouse VARCHAR(8) NOT NULL,
  quantity INTEGER NOT NULL,
  reserved INTEGER NOT NULL DEFAULT 0,
  counted_at DATETIME,
  PRIMARY KEY (product_id, warehouse)
) WITHOUT ROWID;
CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  email VARCHAR(120) NOT NULL,
  name VARCHAR(80) NOT NULL,
  born_on DATE,
  newsletter BOOLEAN NOT NULL,
  credit DECIMAL(10,2) NOT NULL DEFAULT 0,
  note TEXT,
  created_at DATETIME NOT NULL
);
CREATE TABLE addresses (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  kind VARCHAR(10) NOT NULL CHECK (kind IN ('billing', 'shipping')),
  street VARCHAR(120) NOT NULL,
  postcode VARCHAR(12) NOT NULL,
  city VARCHAR(60) NOT NULL,
  country CHAR(2) NOT NULL
);
CREATE TABLE coupons (
  code VARCHAR(20) NOT NULL PRIMARY KEY,
  percent DECIMAL(5,2),
  amount DECIMAL(10,2),
  valid_from DATE NOT NULL,
  valid_until DATE,
  CHECK ((percent IS NULL) <> (amount IS NULL))
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  shipping_address_id INTEGER REFERENCES addresses (id),
  coupon_code VARCHAR(20) REFERENCES coupons (code),
  status VARCHAR(12) NOT NULL,
  total DECIMAL(12,2) NOT NULL,
  currency CHAR(3) NOT NULL DEFAULT 'EUR',
  comment TEXT,
  placed_at DATETIME NOT NULL,
  shipped_on DATE
);
CREATE TABLE order_items (
  order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  line INTEGER NOT NULL,
  product_id INTEGER NOT NULL REFERENCES products (id),
  quantity SMALLINT NOT NULL CHECK (quantity > 0),
  price DECIMAL(10,2) NOT NULL,
  discount DECIMAL(5,2),
  PRIMARY KEY (order_id, line)
);
CREATE TABLE payments (
  id INTEGER PRIMARY KEY,
  order_id INTEGER NOT NULL REFERENCES orders (id),
  method VARCHAR(12) NOT NULL,
  amount DECIMAL(12,2) NOT NULL,
  reference VARCHAR(32) NOT NULL,
  paid_at DATETIME NOT NULL,
  details JSON
);
CREATE TABLE reviews (
  product_id INTEGER NOT NULL REFERENCES products (id),
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  stars SMALLINT NOT NULL CHECK (stars BETWEEN 1 AND 5),
  body TEXT,
  written_at DATETIME NOT NULL,
  PRIMARY KEY (product_id, customer_id)
);
CREATE TABLE events (
  id CHAR(36) NOT NULL PRIMARY KEY,
  customer_id INTEGER REFERENCES customers (id),
  kind VARCHAR(24) NOT NULL,
  payload JSON NOT NULL,
  at DATETIME NOT NULL
);

-- h, h2 and h3: three numbers of 24 bits for each n, by Knuth's multiplicative hashing with odd factors.
-- Products of n < 2^20 and 32 bits stay far below 2^63.
CREATE TEMP TABLE numbers (n INTEGER PRIMARY KEY, h INTEGER, h2 INTEGER, h3 INTEGER);
WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 110000)
INSERT INTO numbers
SELECT n, ((n * 2654435761) & 4294967295) >> 8, ((n * 2246822519 + 374761393) & 4294967295) >> 8,
       ((n * 3266489917 + 668265263) & 4294967295) >> 8
FROM counter;

CREATE TEMP TABLE words (kind TEXT, i INTEGER, word TEXT, PRIMARY KEY (kind, i)) WITHOUT ROWID;
INSERT INTO words
SELECT 'first', key, value FROM json_each('["Anna","Björn","Chloé","Đorđe","Elif","Françoise","Günther","Håkon",
  "Ioana","José","Katarzyna","Łukasz","María","Nguyễn","Ólafur","Petra","Quentin","Renée","Søren","Théo","Ümit",
  "Vladimír","Willem","Xavier","Yasmin","Zoë","陽菜","Αλέξανδρος","Ольга","محمد"]')
UNION ALL
SELECT 'last', key, value FROM json_each('["Müller","O''Brien","García","Kowalska","Nováková","Jensen","Şahin",
  "Dupont","Rossi","Van den Berg","Þórsson","Popescu","Lindström","Ivanova","佐藤","Παπαδόπουλος","Nagy","Silva",
  "Kaya","Smith","Weiß","Čapek","D''Angelo","Østergaard","Łaski","Ñíguez","Ó Briain","Fischer"]')
UNION ALL
SELECT 'city', key, value FROM json_each('["Lyon","Zürich","København","Kraków","Málaga","Köln","Gdańsk","Malmö",
  "Þingeyri","Αθήνα","София","İzmir","京都","Gent","Poznań","Tromsø","Brăila","Évora","Győr","Split"]')
UNION ALL
SELECT 'country', key, value FROM json_each('["FR","CH","DK","PL","ES","DE","PL","SE","IS","GR","BG","TR","JP","BE",
  "PL","NO","RO","PT","HU","HR"]')
UNION ALL
SELECT 'street', key, value FROM json_each('["Rue de la Paix","Hauptstraße","Vesterbrogade","ul. Długa",
  "Calle Mayor","Storgatan","Via Roma","Kungsgatan","Οδός Ερμού","烏丸通","Rua Augusta","Váci utca"]')
UNION ALL
SELECT 'thing', key, value FROM json_each('["Lamp","Kettle","Chair","Notebook","Bicycle bell","Teapot","Blanket",
  "Clock","Umbrella","Crêpe pan","Müsli bowl","Smörgås knife","Backpack","Scarf","Radio","Globe","Candle"]')
UNION ALL
SELECT 'look', key, value FROM json_each('["red","blue","oak","steel","vintage","foldable","tiny","large","café",
  "naïve","striped","matte","☕ morning","❄ winter","hand-made"]');

BEGIN;

INSERT INTO categories
SELECT n, CASE WHEN n > 8 THEN 1 + (n - 1) % 8 END,
       (SELECT word FROM words WHERE kind = 'look' AND i = n % 15) || ' ' ||
         (SELECT word FROM words WHERE kind = 'thing' AND i = n % 17) || 's',
       n % 10
FROM numbers WHERE n <= 72;

-- The fingerprints have zero bytes and invalid UTF-8 in them.
INSERT INTO products
SELECT n, 1 + h % 72, printf('SKU-%06d-%02X', n, h2 & 255),
       (SELECT word FROM words WHERE kind = 'look' AND i = h % 15) || ' ' ||
         (SELECT word FROM words WHERE kind = 'thing' AND i = h2 % 17) || ' No. ' || n,
       CASE WHEN h3 % 5 > 0 THEN
         'Well made, and ' || (SELECT word FROM words WHERE kind = 'look' AND i = h3 % 15) || '.' || char(10) ||
         'It''s "guaranteed" for ' || (1 + h % 9) || ' years;' || char(9) || '100% recycled \ reused.' END,
       (99 + h % 49900) / 100.0,
       CASE WHEN h2 % 6 > 0 THEN (1 + h2 % 40000) / 1000.0 END,
       CASE WHEN h3 % 4 > 0 THEN
         json_object('colour', (SELECT word FROM words WHERE kind = 'look' AND i = h3 % 15),
                     'size', json_array(h % 90, h2 % 90, h3 % 90), 'fragile', json(iif(h3 & 1, 'true', 'false'))) END,
       CASE WHEN h % 3 > 0 THEN
         substr(x'00ff10806e6f7420757466381bc328a0a1e28ca10000fffe7f8081c0af20270a5c090d2500c3bc30313233', 1 + h2 % 26, 16)
       END,
       h2 % 20 > 0,
       date('2015-01-01', '+' || (h3 % 3400) || ' days')
FROM numbers WHERE n <= 6000;

INSERT INTO inventory
SELECT n, warehouse, (h + offset) % 900 - 20, (h2 + offset) % 15,
       CASE WHEN (h3 + offset) % 7 > 0 THEN datetime(1700000000 + (h3 * 5 + offset) % 20000000, 'unixepoch') END
FROM numbers
CROSS JOIN (SELECT 'LYS-1' AS warehouse, 0 AS offset UNION ALL SELECT 'WAW-2', 101 UNION ALL SELECT 'OSA-9', 202)
WHERE n <= 6000 AND (h + offset) % 6 > 0;

INSERT INTO customers
SELECT n, 'customer' || n || '@' || iif(h & 1, 'example.com', 'example.org'),
       (SELECT word FROM words WHERE kind = 'first' AND i = h % 30) || ' ' ||
         (SELECT word FROM words WHERE kind = 'last' AND i = h2 % 28),
       CASE WHEN h3 % 4 > 0 THEN date('1940-01-01', '+' || (h3 % 24000) || ' days') END,
       h2 & 1, (h % 20001 - 5000) / 100.0,
       CASE WHEN h2 % 9 = 0 THEN 'Prefers ☎ over ✉, "not before 10:00"' WHEN h2 % 9 = 1 THEN '' END,
       datetime(1420070400 + n * 6000 + h % 6000, 'unixepoch')
FROM numbers WHERE n <= 40000;

INSERT INTO addresses
SELECT row_number() OVER (ORDER BY n, kind), n, kind,
       (SELECT word FROM words WHERE kind = 'street' AND i = (h2 + length(addresses_of.kind)) % 12) || ' ' || (1 + h3 % 200),
       printf('%05d', h % 99999),
       (SELECT word FROM words WHERE kind = 'city' AND i = (h3 + length(addresses_of.kind)) % 20),
       (SELECT word FROM words WHERE kind = 'country' AND i = (h3 + length(addresses_of.kind)) % 20)
FROM numbers
CROSS JOIN (SELECT 'billing' AS kind UNION ALL SELECT 'shipping') AS addresses_of
WHERE n <= 40000 AND (kind = 'billing' OR h % 3 = 0);

INSERT INTO coupons
SELECT printf('%s%02d-%05X', iif(h & 1, 'SPRING', 'été'), n % 100, (n * 7919) & 1048575),
       CASE WHEN n % 3 > 0 THEN (100 + h % 4900) / 100.0 END, CASE WHEN n % 3 = 0 THEN (100 + h2 % 9900) / 100.0 END,
       date('2020-01-01', '+' || (h3 % 1500) || ' days'),
       CASE WHEN h2 % 4 > 0 THEN date('2024-06-01', '+' || (h3 % 900) || ' days') END
FROM numbers WHERE n <= 400;

-- Orders have gaps in their ids, and one to four lines each.
CREATE TEMP TABLE lines (order_id INTEGER, line INTEGER, product_id INTEGER, quantity INTEGER, price REAL,
                         discount REAL, cents INTEGER, PRIMARY KEY (order_id, line)) WITHOUT ROWID;
INSERT INTO lines
SELECT 1000 + n * 3 - h % 3, line, products.id, quantity, products.price,
       CASE WHEN (h3 + line) % 10 = 0 THEN (50 + (h + line) % 2000) / 100.0 END,
       CAST(round(products.price * 100) AS INTEGER) * quantity
FROM (SELECT n, h, h3, line, 1 + (h2 + line * 7727) % 6000 AS product, 1 + (h3 + line) % 3 AS quantity
      FROM numbers
      CROSS JOIN (SELECT 1 AS line, 0 AS least UNION ALL SELECT 2, 4 UNION ALL SELECT 3, 7 UNION ALL SELECT 4, 9)
      WHERE n <= 90000 AND h2 % 10 >= least)
JOIN products ON products.id = product;
CREATE TEMP TABLE totals (order_id INTEGER PRIMARY KEY, cents INTEGER);
INSERT INTO totals SELECT order_id, sum(cents) FROM lines GROUP BY order_id;
CREATE TEMP TABLE coupon_numbers AS SELECT row_number() OVER (ORDER BY code) - 1 AS number, code FROM coupons;
CREATE UNIQUE INDEX temp.coupon_number ON coupon_numbers (number);

INSERT INTO orders
SELECT 1000 + n * 3 - h % 3, 1 + h2 % 40000,
       CASE WHEN h % 5 > 0 THEN
         (SELECT max(addresses.id) FROM addresses WHERE addresses.id <= 1 + h2 % 50000) END,
       CASE WHEN h3 % 12 = 0 THEN (SELECT code FROM coupon_numbers WHERE number = h % 400) END,
       CASE h3 % 8 WHEN 0 THEN 'open' WHEN 1 THEN 'cancelled' WHEN 2 THEN 'paid' ELSE 'shipped' END,
       totals.cents / 100.0, CASE h2 % 20 WHEN 0 THEN 'CHF' WHEN 1 THEN 'JPY' ELSE 'EUR' END,
       CASE h % 11 WHEN 0 THEN 'Bitte klingeln — “2. Stock” 🙂' WHEN 1 THEN '' WHEN 2 THEN 'leave it
at the door' END,
       datetime(1577836800 + n * 1700 + h % 1700, 'unixepoch'),
       CASE WHEN h3 % 8 > 2 THEN date(1577836800 + n * 1700 + 86400 * (1 + h % 6), 'unixepoch') END
FROM numbers
JOIN totals ON totals.order_id = 1000 + n * 3 - h % 3
WHERE n <= 90000;

INSERT INTO order_items SELECT order_id, line, product_id, quantity, price, discount FROM lines;

INSERT INTO payments
SELECT n, orders.id, CASE h2 % 4 WHEN 0 THEN 'card' WHEN 1 THEN 'transfer' WHEN 2 THEN 'paypal' ELSE 'cash' END,
       orders.total, printf('PAY-%06d-%06X', n, h3), datetime(orders.placed_at, '+' || (60 + h2 % 7200) || ' seconds'),
       CASE WHEN h2 % 4 = 0 THEN json_object('brand', iif(h & 1, 'visa', 'amex'), 'last4', printf('%04d', h % 10000)) END
FROM numbers
JOIN orders ON orders.id = 1000 + n * 3 - h % 3 AND orders.status IN ('paid', 'shipped')
WHERE n <= 90000;

INSERT INTO reviews
SELECT 1 + n % 6000, 1 + (h2 + n / 6000) % 40000, 1 + h % 5,
       CASE WHEN h3 % 3 > 0 THEN substr('★★★★★', 1, 1 + h % 5) || ' ' ||
         CASE h % 5 WHEN 0 THEN 'Schade.' WHEN 4 THEN 'Très content !' ELSE 'Works as described' END END,
       datetime(1600000000 + h3 % 120000000, 'unixepoch')
FROM numbers WHERE n <= 12000
ON CONFLICT DO NOTHING;

INSERT INTO events
SELECT printf('%08x-%04x-4%03x-%04x-%06x%06x', (n * 2654435761) & 4294967295, h2 & 65535, h3 & 4095, 32768 | (h2 & 16383), h3, h),
       CASE WHEN h % 4 > 0 THEN 1 + h2 % 40000 END,
       CASE h3 % 5 WHEN 0 THEN 'login' WHEN 1 THEN 'search' WHEN 2 THEN 'cart.add' WHEN 3 THEN 'cart.remove'
         ELSE 'page.view' END,
       json_object('n', n, 'path', '/' || (SELECT word FROM words WHERE kind = 'look' AND i = h % 15), 'ms', h3 % 900,
                   'tags', json_array('a', NULL, h2 % 3 / 4.0)),
       printf('%s.%06d', datetime(1650000000 + n * 900, 'unixepoch'), h3 % 1000000)
FROM numbers WHERE n <= 32000;

CREATE INDEX categories_parent ON categories (parent_id);
CREATE UNIQUE INDEX products_sku ON products (sku);
CREATE INDEX products_category ON products (category_id, price);
CREATE UNIQUE INDEX customers_email ON customers (email);
CREATE INDEX customers_name ON customers (name);
CREATE INDEX addresses_customer ON addresses (customer_id);
CREATE INDEX orders_customer ON orders (customer_id, placed_at DESC);
CREATE INDEX orders_status ON orders (status);
CREATE INDEX order_items_product ON order_items (product_id);
CREATE UNIQUE INDEX payments_reference ON payments (reference);
CREATE INDEX payments_order ON payments (order_id);
CREATE INDEX reviews_customer ON reviews (customer_id);
CREATE INDEX events_customer ON events (customer_id, at);

COMMIT;

-- A row here fails the script: a foreign key that points nowhere, or a shop that is not what it promises.
CREATE TEMP TABLE broken (what TEXT CHECK (what IS NULL));
INSERT INTO broken SELECT "table" FROM pragma_foreign_key_check;
INSERT INTO broken SELECT 'items' WHERE (SELECT count(*) FROM order_items) < 150000;
INSERT INTO broken SELECT 'totals' FROM orders JOIN totals ON order_id = id WHERE round(total * 100) <> cents;

-- So that who reads a shop that is open does not hold up who sells in it.
PRAGMA journal_mode = WAL;
SQL

# A journal left by a shop that is replaced would be played into the new one.
rm -f "$file-journal" "$file-wal" "$file-shm"
mv -f "$unfinished" "$file"
sqlite3 -readonly "$file" "
  SELECT printf('%s: %d customers, %d products, %d orders of %d lines, %d payments, %d events, …',
                '$(basename "${file//\'/}")', (SELECT count(*) FROM customers), (SELECT count(*) FROM products),
                (SELECT count(*) FROM orders), (SELECT count(*) FROM order_items),
                (SELECT count(*) FROM payments), (SELECT count(*) FROM events))"
