// Rows one by one, with statements that are prepared once and can be sent ahead: Source::send_read
// and Target::send_replace. A row travels as a tuple of COPY here, too: in binary its fields are
// what a prepared statement takes and gives, in text they are that but for escaping.
#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "adapters/postgres/copy_encoding.h"
#include "adapters/postgres/dialect.h"
#include "adapters/postgres/keys.h"
#include "adapters/postgres/source.h"
#include "adapters/postgres/target.h"

namespace migrator::postgres {
namespace {

void append_number(Slab& out, std::uint32_t number, unsigned bytes) {
  for (unsigned at = bytes; at-- > 0;) {
    const char byte = static_cast<char>(number >> (8 * at) & 0xFF);
    out.append(&byte, 1);
  }
}

std::uint32_t number_at(std::string_view bytes, std::size_t at, unsigned size) {
  std::uint32_t number = 0;
  for (unsigned byte = 0; byte < size; ++byte) {
    number = number << 8 | static_cast<unsigned char>(bytes.at(at + byte));
  }
  return number;
}

// The row of a result as a tuple of COPY. (The PostgreSQL manual, COPY, "Binary Format".)
void append_binary(const PGresult& result, Slab& out) {
  const int columns = PQnfields(&result);
  append_number(out, static_cast<std::uint32_t>(columns), 2);
  for (int column = 0; column < columns; ++column) {
    if (PQgetisnull(&result, 0, column) != 0) {
      append_number(out, 0xFFFFFFFF, 4);
      continue;
    }
    const int size = PQgetlength(&result, 0, column);
    append_number(out, static_cast<std::uint32_t>(size), 4);
    out.append(PQgetvalue(&result, 0, column), static_cast<std::size_t>(size));
  }
}

void append_text(const PGresult& result, Slab& out) {
  const int columns = PQnfields(&result);
  for (int column = 0; column < columns; ++column) {
    if (column > 0) out.append("\t", 1);
    if (PQgetisnull(&result, 0, column) != 0) {
      out.append("\\N", 2);
    } else {
      append_escaped({PQgetvalue(&result, 0, column),
                      static_cast<std::size_t>(PQgetlength(&result, 0, column))},
                     out);
    }
  }
  out.append("\n", 1);
}

[[noreturn]] void refuse_tuple() {
  throw Error(ErrorKind::invariant, "a row is no tuple of its columns");
}

void fields_of_binary(std::string_view tuple, std::size_t columns, std::vector<Parameter>& out) {
  if (tuple.size() < 2 || number_at(tuple, 0, 2) != columns) refuse_tuple();
  std::size_t at = 2;
  for (std::size_t column = 0; column < columns; ++column) {
    if (tuple.size() - at < 4) refuse_tuple();
    const std::uint32_t size = number_at(tuple, at, 4);
    at += 4;
    Parameter& field = out.emplace_back();
    field.binary = true;
    field.null = size == 0xFFFFFFFF;
    if (field.null) continue;
    if (tuple.size() - at < size) refuse_tuple();
    field.data = tuple.substr(at, size);
    at += size;
  }
  if (at != tuple.size()) refuse_tuple();
}

void fields_of_text(std::string_view line, std::size_t columns, std::vector<Parameter>& out) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  const std::size_t first = out.size();
  out.emplace_back();
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '\t') {
      out.emplace_back();
    } else if (line[at] != '\\') {
      out.back().data += line[at];
    } else if (++at == line.size()) {
      refuse_tuple();
    } else if (line[at] == 'N') {
      out.back().null = true;
    } else {
      // What the server escapes; every other character stands for itself.
      constexpr std::string_view kLetters = "bfnrtv", kBytes = "\b\f\n\r\t\v";
      const std::size_t letter = kLetters.find(line[at]);
      out.back().data += letter == std::string_view::npos ? line[at] : kBytes[letter];
    }
  }
  if (out.size() - first != columns) refuse_tuple();
}

// The fields of a batch's first row, as parameters of the columns' types.
std::vector<Parameter> fields_of(const std::vector<Column>& columns, const RowLayout& layout,
                                 const RowBatch& batch) {
  const CopyEncoding encoding(columns, layout);
  encoding.check(batch);
  std::vector<Parameter> fields;
  fields.reserve(columns.size());
  Slab slab;
  std::string_view tuple;
  if (encoding.cells()) {
    encoding.encode(batch, 0, slab);
    tuple = {slab.data(), slab.size()};
  } else {
    tuple = batch.wire_row(0);
  }
  const auto read = encoding.binary() ? fields_of_binary : fields_of_text;
  read(tuple, columns.size(), fields);
  return fields;
}

// "a = $1 AND b = $2". No types are named: the server takes the columns' own, and a cast to
// varchar(3) would cut off what does not fit, where an assignment refuses it.
std::string key_condition(const std::vector<Column>& key) {
  std::string sql;
  for (std::size_t at = 0; at < key.size(); ++at) {
    sql += fmt::format("{}{} = ${}", at == 0 ? "" : " AND ", dialect().quote(key[at].name), at + 1);
  }
  return sql;
}

}  // namespace

// A table that is altered afterwards is noticed by whoever watches the schema, and by the server
// where a column is gone.
const std::string& PgSource::single_select(const ReadSpec& spec, bool cells) {
  std::pair<TableName, std::string> name{spec.table,
                                         (cells ? "cells " : "") + column_list(spec.columns)};
  const auto known = selects_.find(name);
  if (known != selects_.end()) return known->second;
  return selects_[std::move(name)] = select(spec, cells);
}

void PgSource::prepare_read(const ReadSpec& spec, const RowLayout& layout) {
  sent_reads_.clear();  // of a transaction that failed
  single_select(spec, layout == cells_layout());
}

void PgSource::send_read(const ReadSpec& spec, const Key& key, const RowLayout& layout) {
  const bool cells = layout == cells_layout();
  std::string sql = single_select(spec, cells) + " WHERE " + key_condition(spec.key);
  std::vector<Parameter> parameters;
  for (std::size_t at = 0; at < spec.key.size(); ++at) {
    parameters.push_back({key_text(spec.key[at], key.at(at)), false, false});
  }
  if (!spec.where.empty()) sql += " AND (" + spec.where + "\n)";
  SentRead sent;
  sent.binary = cells || layout.format == kBinaryFormat;
  sent.columns = spec.columns.size();
  if (cells) {
    sent.decoder = std::make_shared<BinaryDecoder>(
        spec.columns, session_.connection().parameter("server_encoding") == "SQL_ASCII",
        spec.misfits);
  }
  session_.connection().send(sql, parameters, Connection::Sending::plain, sent.binary);
  sent_reads_.push_back(std::move(sent));
}

bool PgSource::receive_row(RowBatch& batch) {
  if (sent_reads_.empty()) throw Error(ErrorKind::invariant, "no row was sent for");
  const SentRead sent = std::move(sent_reads_.front());
  sent_reads_.pop_front();
  batch.clear();
  const ResultPtr result = session_.connection().receive();
  if (PQntuples(result.get()) == 0) return false;
  if (sent.decoder) {
    Slab tuple;
    append_binary(*result, tuple);
    batch.set_columns(sent.columns);
    try {
      sent.decoder->decode({tuple.data(), tuple.size()}, batch);
    } catch (const Error&) {
      batch.clear();
    }
    return true;
  }
  if (sent.binary) {
    append_binary(*result, batch.slab());
  } else {
    append_text(*result, batch.slab());
  }
  batch.end_wire_row();
  return true;
}

void PgTarget::prepare_single(const WriteSpec& spec) {
  const UpsertForm& form = upsert_form(spec);
  if (!form.clause.empty()) return;
  throw Error(ErrorKind::gate,
              fmt::format("rows of {} cannot be replaced one by one: its key is deferrable, takes "
                          "several spellings for one, or a column is GENERATED ALWAYS",
                          spec.table.text()))
      .table(spec.table.text())
      .remedy("leave this table to the relay: write it with mode async");
}

void PgTarget::send_replace(const WriteSpec& spec, const RowBatch& key, const RowLayout& key_layout,
                            const RowBatch& row, const RowLayout& layout) {
  const std::string table = dialect().quote(spec.table);
  Connection& connection = session_.connection();
  if (row.empty()) {
    connection.send("DELETE FROM " + table + " WHERE " + key_condition(spec.key),
                    fields_of(spec.key, key_layout, key), Connection::Sending::plain);
    return;
  }
  std::string values;
  for (std::size_t at = 0; at < spec.columns.size(); ++at) {
    values += (at == 0 ? "$" : ", $") + std::to_string(at + 1);
  }
  connection.send(fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}){}", table,
                              column_list(spec.columns), values, upsert_form(spec).clause),
                  fields_of(spec.columns, layout, row), Connection::Sending::plain);
}

}  // namespace migrator::postgres
