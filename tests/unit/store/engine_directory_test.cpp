// Directory changes through the engine, and what is left of them after a restart.
#include <gtest/gtest.h>

#include "tests/unit/store/engine_harness.hpp"

namespace postern::store::testing {
namespace {

ErrorCode code_of(const Result<DirectoryReply>& reply) {
  EXPECT_FALSE(reply.has_value());
  return reply ? ErrorCode::io : reply.error().code;
}

TEST(EngineDirectory, ChangesAreSeenAtOnceAndAfterReopen) {
  TempDir dir;
  MailboxId inbox{};
  const auto check = [&](Engine& engine) {
    const DirectoryPtr directory = engine.directory();
    EXPECT_EQ(directory->domains(), (std::vector<std::string>{"example.net", "other.example"}));
    const Route route = directory->route("ANN", "Example.NET");
    EXPECT_EQ(route.kind, Route::Kind::local);
    EXPECT_EQ(route.mailboxes, std::vector<MailboxId>{inbox});
    EXPECT_EQ(directory->route("alias", "other.example").mailboxes, std::vector<MailboxId>{inbox});
    EXPECT_EQ(directory->route("gone", "example.net").kind, Route::Kind::unknown_user);
    EXPECT_EQ(directory->route("ann", "far.example").kind, Route::Kind::remote);
    ASSERT_NE(directory->find_login("Ann@example.net"), nullptr);
    EXPECT_EQ(directory->find_login("ann@example.net")->password_hash, "hash-2");
    EXPECT_EQ(directory->find_login("alias@other.example"), nullptr) << "an alias is no login";
    EXPECT_EQ(directory->accounts().size(), 1u);
  };
  {
    EngineUnderTest store(dir.path());
    const std::uint64_t generation = store.engine().directory_generation();
    EXPECT_TRUE(store.apply(AddDomain{"Example.net"}).has_value());
    EXPECT_GT(store.engine().directory_generation(), generation);
    EXPECT_TRUE(store.apply(AddDomain{"other.example"}).has_value());
    EXPECT_TRUE(store.apply(AddDomain{"third.example"}).has_value());
    EXPECT_TRUE(store.apply(DeleteDomain{"THIRD.example"}).has_value());
    const auto added = store.apply(AddUser{.name = "Ann@Example.net", .password_hash = "hash-1"});
    ASSERT_TRUE(added.has_value());
    inbox = added->inbox;
    EXPECT_TRUE(store.apply(AddAlias{"ann@example.net", "Alias@Other.example"}).has_value());
    EXPECT_TRUE(store.apply(AddAlias{"ann@example.net", "gone@example.net"}).has_value());
    EXPECT_TRUE(store.apply(RemoveAlias{"GONE@example.net"}).has_value());
    EXPECT_TRUE(store.apply(SetPasswordHash{"ann@example.net", "hash-2"}).has_value());
    check(store.engine());
  }
  EngineUnderTest again(dir.path());
  check(again.engine());
  again.close();
  const StoreContents contents = read_store(dir.path());
  ASSERT_EQ(contents.folders.size(), 1u);
  EXPECT_EQ(contents.folders.begin()->second, (schema::FolderRow{.name = "INBOX"}));
  EXPECT_EQ(contents.folders.begin()->first.second, inbox);
}

TEST(EngineDirectory, SettingsOfAnAccountAreChangedOneByOneAndKept) {
  TempDir dir;
  const auto settings = [](Engine& engine) {
    return engine.directory()->find_login("ann@example.net")->settings;
  };
  const auto change = [](AccountSettingsChange what) {
    return ChangeSettings{.name = "ANN@example.net", .change = what};
  };
  {
    EngineUnderTest store(dir.path());
    store.add_user("ann@example.net");
    EXPECT_TRUE(store.engine().directory()->settings_in_use().empty());
    ASSERT_TRUE(
        store.apply(change({.keep_action = SettingAction::set, .keep = std::chrono::days(7)}))
            .has_value());
    ASSERT_TRUE(store
                    .apply(change({.delete_after_retrieval_action = SettingAction::set,
                                   .delete_after_retrieval = true}))
                    .has_value());
    EXPECT_EQ(settings(store.engine()),
              (AccountSettings{.keep = std::chrono::days(7), .delete_after_retrieval = true}));
    EXPECT_EQ(store.engine().directory()->settings_in_use().size(), 1u);
    EXPECT_EQ(code_of(store.apply(change({.keep_action = SettingAction::set,
                                          .keep = kKeepMax + std::chrono::seconds(1)}))),
              ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(store.apply(ChangeSettings{.name = "bob@example.net", .change = {}})),
              ErrorCode::not_found);
    ASSERT_TRUE(store.apply(change({.keep_action = SettingAction::reset})).has_value());
  }
  EngineUnderTest again(dir.path());
  EXPECT_EQ(settings(again.engine()),
            (AccountSettings{.keep = {}, .delete_after_retrieval = true}));
  ASSERT_TRUE(
      again.apply(change({.delete_after_retrieval_action = SettingAction::reset})).has_value());
  EXPECT_TRUE(again.engine().directory()->settings_in_use().empty());
}

TEST(EngineDirectory, RefusalsSayWhyAndChangeNothing) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  const MailboxId ann = store.add_user("ann@example.net");
  (void)store.apply(AddAlias{"ann@example.net", "a@example.net"}).value();
  const std::uint64_t generation = store.engine().directory_generation();
  EXPECT_EQ(code_of(store.apply(AddDomain{"example.NET"})), ErrorCode::already_exists);
  EXPECT_EQ(code_of(store.apply(AddDomain{""})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(store.apply(AddDomain{"a b"})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(store.apply(AddDomain{std::string(300, 'x')})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(store.apply(DeleteDomain{"none.example"})), ErrorCode::not_found);
  EXPECT_EQ(code_of(store.apply(DeleteDomain{"example.net"})), ErrorCode::permission_denied);
  EXPECT_EQ(code_of(store.apply(AddUser{.name = "ann@example.net"})), ErrorCode::already_exists);
  EXPECT_EQ(code_of(store.apply(AddUser{.name = "a@example.net"})), ErrorCode::already_exists);
  EXPECT_EQ(code_of(store.apply(AddUser{.name = "b@none.example"})), ErrorCode::not_found);
  EXPECT_EQ(code_of(store.apply(AddUser{.name = "nobody"})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(store.apply(AddUser{.name = "@example.net"})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(store.apply(AddUser{.name = "a\n@example.net"})), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(store.apply(DeleteUser{"bob@example.net"})), ErrorCode::not_found);
  EXPECT_EQ(code_of(store.apply(DeleteUser{"a@example.net"})), ErrorCode::not_found);
  EXPECT_EQ(code_of(store.apply(SetPasswordHash{"bob@example.net", "x"})), ErrorCode::not_found);
  EXPECT_EQ(code_of(store.apply(AddAlias{"bob@example.net", "c@example.net"})),
            ErrorCode::not_found);
  EXPECT_EQ(code_of(store.apply(AddAlias{"ann@example.net", "a@example.net"})),
            ErrorCode::already_exists);
  EXPECT_EQ(code_of(store.apply(AddAlias{"ann@example.net", "a@none.example"})),
            ErrorCode::not_found);
  EXPECT_EQ(code_of(store.apply(RemoveAlias{"ann@example.net"})), ErrorCode::not_found);
  EXPECT_EQ(store.engine().directory_generation(), generation);
  EXPECT_EQ(store.deliver({ann}, "still works"), SpoolOutcome::durable);
}

// RFC 6409 6.1: own addresses, and what was granted; a grant is durable.
TEST(EngineDirectory, SendingAsAnotherIsGrantedAndTakenAway) {
  TempDir dir;
  const std::string ann = "ann@example.net";
  {
    EngineUnderTest store(dir.path());
    store.add_user(ann);
    store.add_user("bob@example.net");
    (void)store.apply(AddAlias{ann, "a@example.net"}).value();
    const auto may = [&](std::string_view local, std::string_view domain) {
      return store.engine().directory()->may_send_as(ann, local, domain);
    };
    EXPECT_TRUE(may("ANN", "Example.net"));
    EXPECT_TRUE(may("a", "example.net"));
    EXPECT_FALSE(may("bob", "example.net"));
    EXPECT_FALSE(may("press", "far.example"));
    EXPECT_TRUE(store.apply(SetSendAs{ann, "Press@Far.example", true}).has_value());
    EXPECT_TRUE(store.apply(SetSendAs{ann, "press@far.example", true}).has_value());
    EXPECT_EQ(store.engine().directory()->find_login(ann)->send_as.size(), 1u);
    EXPECT_TRUE(may("press", "far.example"));
    EXPECT_FALSE(may("press", "sub.far.example"));
    EXPECT_TRUE(store.apply(SetSendAs{ann, "@b\u00fccher.example", true}).has_value());
    EXPECT_TRUE(may("anyone", "xn--bcher-kva.example"));
    EXPECT_TRUE(may("anyone", "B\u00dcCHER.example"));
    EXPECT_FALSE(may("anyone", "x.xn--bcher-kva.example"));
    EXPECT_EQ(code_of(store.apply(SetSendAs{ann, "@", true})), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(store.apply(SetSendAs{ann, "nobody", true})), ErrorCode::invalid_argument);
    EXPECT_EQ(code_of(store.apply(SetSendAs{"carl@example.net", "x@y.example", true})),
              ErrorCode::not_found);
    EXPECT_EQ(code_of(store.apply(SetSendAs{ann, "x@y.example", false})), ErrorCode::not_found);
    EXPECT_FALSE(
        store.engine().directory()->may_send_as("bob@example.net", "press", "far.example"));
    EXPECT_FALSE(store.engine().directory()->may_send_as("", "ann", "example.net"));
  }
  EngineUnderTest again(dir.path());
  EXPECT_TRUE(again.engine().directory()->may_send_as(ann, "press", "far.example"));
  EXPECT_TRUE(again.apply(SetSendAs{ann, "press@far.example", false}).has_value());
  EXPECT_FALSE(again.engine().directory()->may_send_as(ann, "press", "far.example"));
}

// SMTP-21: every spelling of an internationalised address reaches the one mailbox.
TEST(EngineDirectory, SpellingsOfAnInternationalAddressAreOne) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  ASSERT_TRUE(store.apply(AddDomain{"B\u00fccher.example"}).has_value());
  EXPECT_EQ(code_of(store.apply(AddDomain{"xn--bcher-kva.example"})), ErrorCode::already_exists);
  const auto added = store.apply(AddUser{.name = "J\u00fcrgen@b\u00fccher.example"});
  ASSERT_TRUE(added.has_value());
  EXPECT_EQ(code_of(store.apply(AddUser{.name = "ju\u0308rgen@xn--bcher-kva.example"})),
            ErrorCode::already_exists);
  const DirectoryPtr directory = store.engine().directory();
  for (const char* local : {"j\u00fcrgen", "J\u00dcRGEN", "ju\u0308rgen"}) {
    for (const char* domain : {"b\u00fccher.example", "BU\u0308CHER.example",
                               "xn--bcher-kva.example", "XN--BCHER-KVA.EXAMPLE"}) {
      EXPECT_EQ(directory->route(local, domain).mailboxes, std::vector<MailboxId>{added->inbox});
    }
  }
  EXPECT_EQ(directory->route("jurgen", "b\u00fccher.example").kind, Route::Kind::unknown_user);
  EXPECT_EQ(directory->route("x", "-\u00fc.example").kind, Route::Kind::remote);
  EXPECT_NE(directory->find_login("J\u00dcRGEN@B\u00dcCHER.example"), nullptr);
  EXPECT_TRUE(store.apply(DeleteUser{"ju\u0308rgen@b\u00fccher.example"}).has_value());
  EXPECT_TRUE(store.apply(DeleteDomain{"B\u00dcCHER.example"}).has_value());
}

TEST(EngineDirectory, DeletedUserLosesMailAndComesBackEmpty) {
  TempDir dir;
  MailboxId old_inbox{};
  MailboxId shared{};
  std::uint32_t old_validity = 0;
  {
    EngineUnderTest store(dir.path());
    old_inbox = store.add_user("ann@example.net");
    shared = store.add_user("bob@example.net");
    std::vector<std::unique_ptr<SpoolRequest>> requests;
    for (int i = 0; i < 2500; ++i) {  // several steps of the removal
      requests.push_back(make_message({old_inbox}, "mail " + std::to_string(i)));
      ASSERT_TRUE(store.engine().submit(requests.back().get()));
    }
    ASSERT_TRUE(store.sink().wait_for(2500));
    requests.push_back(make_message({old_inbox, shared}, "for both"));
    ASSERT_TRUE(store.engine().submit(requests.back().get()));
    ASSERT_TRUE(store.sink().wait_for(2501));
    ASSERT_TRUE(store.apply(DeleteUser{"ann@example.net"}).has_value());
    EXPECT_EQ(store.engine().directory()->route("ann", "example.net").kind,
              Route::Kind::unknown_user);
    const auto late = make_message({old_inbox}, "too late");
    ASSERT_TRUE(store.engine().submit(late.get()));
    ASSERT_TRUE(store.sink().wait_for(2502));
    EXPECT_EQ(late->outcome, SpoolOutcome::failed);
    EXPECT_EQ(store.apply(Expunge{.mailbox = old_inbox, .uids = {{1, 9}}}).error().code,
              ErrorCode::not_found);
    const MailboxId new_inbox = store.add_user("ann@example.net");
    EXPECT_NE(new_inbox, old_inbox);
    store.close();
    const StoreContents contents = read_store(dir.path());
    old_validity = contents.mailboxes.at(old_inbox).head.uid_validity;
    EXPECT_GT(contents.mailboxes.at(new_inbox).head.uid_validity, old_validity);
    EXPECT_TRUE(contents.mailboxes.at(old_inbox).head.deleted);
    EXPECT_TRUE(contents.mailboxes.at(old_inbox).messages.empty());
  }
  {
    EngineUnderTest drain(dir.path());
  }
  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  EXPECT_EQ(contents.bodies.size(), 1u) << "only what bob still has";
  EXPECT_EQ(contents.mailboxes.at(old_inbox).expunged.size(), 2501u);
  for (const std::string& key : contents.meta_keys) EXPECT_TRUE(key[0] != 'x' && key[0] != 'd');
}

TEST(EngineDirectory, AddAndDeleteWithoutWaitingKeepsTheOrder) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  (void)store.apply(AddDomain{"example.net"}).value();
  std::vector<std::future<bool>> done;
  const auto send = [&](DirectoryChange change) {
    auto promise = std::make_shared<std::promise<bool>>();
    done.push_back(promise->get_future());
    store.engine().apply(std::move(change), [promise](Result<DirectoryReply> reply) {
      promise->set_value(reply.has_value());
    });
  };
  for (int i = 0; i < 200; ++i) send(AddUser{.name = "u" + std::to_string(i) + "@example.net"});
  for (int i = 0; i < 200; i += 2) send(DeleteUser{"u" + std::to_string(i) + "@example.net"});
  for (int i = 0; i < 200; i += 2) send(AddUser{.name = "u" + std::to_string(i) + "@example.net"});
  for (auto& one : done) EXPECT_TRUE(one.get());
  EXPECT_EQ(store.engine().directory()->accounts().size(), 200u);
  store.close();
  const StoreContents contents = read_store(dir.path());
  std::size_t deleted = 0;
  for (const auto& [key, folder] : contents.folders) deleted += folder.deleted;
  EXPECT_EQ(deleted, 100u);
  EXPECT_EQ(contents.folders.size(), 300u);
}

}  // namespace
}  // namespace postern::store::testing
