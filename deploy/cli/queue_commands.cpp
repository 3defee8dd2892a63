// postern queue list
#include <algorithm>
#include <fmt/format.h>
#include <memory>

#include "deploy/cli/commands.hpp"
#include "deploy/cli/output.hpp"
#include "store/rpc/protocol.hpp"

namespace postern::cli {
namespace {

using store::rpc::QueueEntry;

/// A screen full; who wants more says so.
constexpr std::uint32_t kEntriesShown = 50;

nlohmann::json to_json(const QueueEntry& entry) {
  nlohmann::json row = {{"id", entry.id},
                        {"reverse_path", entry.reverse_path},
                        {"recipients", entry.recipients},
                        {"recipient_count", entry.recipient_count},
                        {"size_octets", entry.size_octets},
                        {"arrival", iso_time(entry.arrival_unix_ms)},
                        {"attempts", entry.attempts},
                        {"last_error", entry.last_error}};
  row["next_attempt"] = entry.next_attempt_unix_ms == 0
                            ? nlohmann::json()
                            : nlohmann::json(iso_time(entry.next_attempt_unix_ms));
  return row;
}

std::string recipients_text(const QueueEntry& entry) {
  if (entry.recipients.empty()) return fmt::format("{} recipients", entry.recipient_count);
  if (entry.recipient_count <= 1) return entry.recipients.front();
  return fmt::format("{} and {} more", entry.recipients.front(), entry.recipient_count - 1);
}

void print_table(const store::rpc::QueueListReply& queue) {
  if (queue.entries.empty()) {
    fmt::print("the queue is empty\n");
    return;
  }
  Table table({"ID", "ARRIVED", "SIZE", "FROM", "TO", "TRIES", "NEXT TRY", "LAST ERROR"});
  for (const QueueEntry& entry : queue.entries) {
    table.add({entry.id, local_time(entry.arrival_unix_ms), readable_size(entry.size_octets),
               fmt::format("<{}>", entry.reverse_path), recipients_text(entry),
               fmt::format("{}", entry.attempts), local_time(entry.next_attempt_unix_ms),
               entry.last_error.empty() ? "-" : entry.last_error});
  }
  fmt::print("{}", table.text());
  if (queue.total > queue.entries.size()) {
    fmt::print("{} of {} messages; more with --limit\n", queue.entries.size(), queue.total);
  }
}

int list_queue(const Globals& globals, std::uint32_t limit) {
  return with_gateway(globals, [&](store::rpc::BlockingClient& client) -> Result<void> {
    const auto queue = client.queue_list(limit);
    if (!queue) return std::unexpected(queue.error());
    if (!globals.json) {
      print_table(*queue);
      return {};
    }
    auto rows = nlohmann::json::array();
    for (const QueueEntry& entry : queue->entries) rows.push_back(to_json(entry));
    print_json({{"total", queue->total}, {"entries", rows}});
    return {};
  });
}

}  // namespace

void add_queue_commands(CLI::App& app, const Globals& globals, Action& action) {
  CLI::App* queue = app.add_subcommand("queue", "Mail that waits to be relayed to other servers");
  queue->require_subcommand(1);
  queue->footer("Examples:\n  postern queue list\n  postern queue list --limit 500 --json");
  const auto limit = std::make_shared<std::uint32_t>(kEntriesShown);
  CLI::App* list = queue->add_subcommand("list", "Show the oldest messages in the queue");
  list->add_option("--limit", *limit, "How many")
      ->check(CLI::Range(1, static_cast<int>(store::rpc::kListEntriesMax)))
      ->type_name("N")
      ->capture_default_str();
  list->callback([&, limit] { action = [&, limit] { return list_queue(globals, *limit); }; });
}

}  // namespace postern::cli
