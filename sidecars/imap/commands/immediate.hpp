// For commands that are through in one step.
#pragma once

#include <concepts>
#include <memory>
#include <utility>

#include "sidecars/imap/arguments.hpp"
#include "sidecars/imap/command.hpp"
#include "sidecars/imap/command_table.hpp"
#include "sidecars/imap/context.hpp"

namespace postern::imap {

/// A command that calls a function once: Progress(Context&).
template <std::invocable<Context&> Function>
class ImmediateCommand final : public Command {
 public:
  explicit ImmediateCommand(Function function) : function_(std::move(function)) {}
  Progress run(Context& context) override { return function_(context); }

 private:
  Function function_;
};

template <std::invocable<Context&> Function>
CommandPtr make_immediate(Function function) {
  return std::make_unique<ImmediateCommand<Function>>(std::move(function));
}

/// For commands without arguments: checks that there are none, then makes the command.
template <std::invocable<Context&> Function>
Result<CommandPtr> without_arguments(Arguments& arguments, Function function) {
  if (auto end = arguments.end(); !end) return std::unexpected(end.error());
  return make_immediate(std::move(function));
}

}  // namespace postern::imap
