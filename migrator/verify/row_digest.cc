#include "migrator/verify/row_digest.h"

#include <array>
#include <cstdint>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "adapters/canonical_digest.h"
#include "adapters/codec.h"

namespace migrator {
namespace {

using Tag = Cell::Tag;
constexpr unsigned kMicroDigits = 6;

class Sha256 {
 public:
  using Hash = std::array<unsigned char, 32>;

  Hash of(std::string_view text) {
    Hash hash{};
    if (EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1 ||
        EVP_DigestUpdate(context_.get(), text.data(), text.size()) != 1 ||
        EVP_DigestFinal_ex(context_.get(), hash.data(), nullptr) != 1) {
      throw Error(ErrorKind::permanent, "this system's OpenSSL does not compute SHA-256")
          .remedy("verify with --mode stream");
    }
    return hash;
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  const std::unique_ptr<EVP_MD_CTX, Free> context_{EVP_MD_CTX_new()};
};

std::int64_t big_endian(const unsigned char* bytes) {
  std::uint64_t number = 0;
  for (int at = 0; at < 8; ++at) number = number << 8 | bytes[at];
  return static_cast<std::int64_t>(number);
}

// From where the text of a number or a time began.
void drop_zeros(std::string& out, std::size_t begin) {
  if (out.find('.', begin) == std::string::npos) return;
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
}

void append_decimal(std::string& out, std::string_view text) {
  if (!is_plain_decimal(text)) {  // NaN and the like
    out += text;
    return;
  }
  const bool negative = text[0] == '-';
  if (negative || text[0] == '+') text.remove_prefix(1);
  const std::size_t begin = out.size() + (negative ? 1 : 0);
  if (negative) out += '-';
  while (text.size() > 1 && text[0] == '0' && text[1] != '.') text.remove_prefix(1);
  if (text[0] == '.') out += '0';
  out += text;
  drop_zeros(out, begin);
}

void append_text(std::string& out, std::string_view text, bool fixed) {
  while (fixed && !text.empty() && text.back() == ' ') text.remove_suffix(1);
  fmt::format_to(std::back_inserter(out), "{};", text.size());
  out += text;
}

void append_integer(std::string& out, std::int64_t value, TypeKind kind) {
  const std::size_t begin = out.size();
  switch (kind) {
    case TypeKind::date:
      return print_date(out, value);
    case TypeKind::time:
      print_time(out, value, kMicroDigits);
      return drop_zeros(out, begin);
    case TypeKind::timestamp:
    case TypeKind::timestamptz:
      print_timestamp(out, value, kMicroDigits);
      return drop_zeros(out, begin);
    default:
      fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

void append_item(std::string& out, const RowBatch& batch, const Cell& cell, const Type& type) {
  switch (cell.tag) {
    case Tag::null:
      out += 'N';
      return;
    case Tag::integer:
      return append_integer(out, cell.integer, type.kind);
    case Tag::unsigned_integer:
      fmt::format_to(std::back_inserter(out), "{}", cell.unsigned_integer);
      return;
    case Tag::text:
      if (type.kind == TypeKind::decimal) return append_decimal(out, batch.bytes_of(cell));
      return append_text(out, batch.bytes_of(cell), type.fixed);
    case Tag::bytes:
      if (type.kind == TypeKind::uuid) return print_uuid(out, batch.bytes_of(cell).data());
      return print_hex(out, batch.bytes_of(cell));
    case Tag::real:
    case Tag::misfit:
      break;
  }
  out += '!';
  if (cell.tag == Tag::misfit) append_text(out, batch.bytes_of(cell), false);
}

}  // namespace

void append_digest_form(std::string& out, const RowBatch& batch, const Cell* row,
                        const std::vector<Column>& columns) {
  for (std::size_t at = 0; at < columns.size(); ++at) {
    if (at > 0) out += ';';
    append_item(out, batch, row[at], columns[at].type);
  }
}

RangeDigest digest_of(RangeRows& rows, const std::vector<Column>& columns) {
  // Sums of 64-bit numbers: no table has rows enough to leave these.
  __extension__ typedef __int128 Sum;
  Sum first = 0, second = 0;
  std::uint64_t count = 0;
  Sha256 sha256;
  RowBatch batch;
  std::string form;
  while (rows.next(batch)) {
    for (std::size_t at = 0; at < batch.rows(); ++at) {
      form.clear();
      append_digest_form(form, batch, batch.row(at), columns);
      const Sha256::Hash hash = sha256.of(form);
      first += big_endian(hash.data());
      second += big_endian(hash.data() + 8);
    }
    count += batch.rows();
  }
  if (count == 0) return {};
  return {count, fmt::format("{} {}", first, second)};
}

}  // namespace migrator
