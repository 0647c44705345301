// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// bare_pipe send PORT COUNT WINDOW: waits for one client, sends it COUNT tasks, WINDOW unanswered
// at most, and reads a result for each. bare_pipe answer URL: the client. Both only encode,
// send, receive and decode the same tasks and results in the same batches as a master and an agent;
// they keep no ledger, lose everything on a cut and bound nothing.

#include <rapidjson/encodedstream.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>
#include <websocketpp/client.hpp>
#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/config/asio_no_tls_client.hpp>
#include <websocketpp/server.hpp>

#include "own_cost.hpp"

namespace {

constexpr std::size_t kTasksAMessage = 512;

// The client's masking keys, read ahead in blocks: the library's own source costs 20 us a frame.
class MaskingKeys {
 public:
  std::uint32_t operator()() {
    if (next_ == kBlock && getrandom(keys_, sizeof keys_, 0) > 0) next_ = 0;
    return keys_[next_++];
  }

 private:
  static constexpr std::size_t kBlock = 1024;
  std::uint32_t keys_[kBlock];
  std::size_t next_ = kBlock;
};

struct ServerConfig : websocketpp::config::asio {
  static constexpr websocketpp::log::level elog_level = websocketpp::log::elevel::none;
  static constexpr websocketpp::log::level alog_level = websocketpp::log::alevel::none;
};
struct ClientConfig : websocketpp::config::asio_client {
  using rng_type = MaskingKeys;
  static constexpr websocketpp::log::level elog_level = websocketpp::log::elevel::none;
  static constexpr websocketpp::log::level alog_level = websocketpp::log::alevel::none;
};
using Server = websocketpp::server<ServerConfig>;
using Client = websocketpp::client<ClientConfig>;

// One decoded task or result: its numbers as they came and its text.
struct Item {
  std::vector<std::uint64_t> numbers;
  std::string text;
};

// Decodes the objects or arrays at depth 3 into items.
struct Decoder : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Decoder> {
  bool StartObject() { return enter(); }
  bool EndObject(rapidjson::SizeType) { return leave(); }
  bool StartArray() { return enter(); }
  bool EndArray(rapidjson::SizeType) { return leave(); }
  bool RawNumber(const char* digits, rapidjson::SizeType length, bool) {
    if (items.empty()) return true;
    std::uint64_t value = 0;
    std::from_chars(digits, digits + length, value);
    items.back().numbers.push_back(value);
    return true;
  }
  bool String(const char* text, rapidjson::SizeType length, bool) {
    if (!items.empty()) items.back().text.assign(text, length);
    return true;
  }
  bool enter() {
    if (++depth == 3) items.emplace_back();
    return true;
  }
  bool leave() {
    --depth;
    return true;
  }
  int depth = 0;
  std::vector<Item> items;
};

// With the flags that bytes from a network need.
std::uint64_t count_in(const std::string& text) {
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |
                              rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  Decoder decoder;
  rapidjson::Reader reader;
  rapidjson::MemoryStream bytes{text.data(), text.size()};
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream{bytes};
  reader.Parse<kFlags>(stream, decoder);
  return decoder.items.size();
}

std::string tasks_message(std::uint64_t first, std::size_t count) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> json{buffer};
  json.StartObject();
  json.Key("type");
  json.String("tasks");
  json.Key("tasks");
  json.StartArray();
  for (std::size_t n = 0; n < count; ++n) {
    json.StartArray();
    json.Uint64(first + n);
    json.Uint(1);
    json.Uint(0);
    json.Uint64(86'400'000);
    const auto target = "http://www.example.test/some/page/" + std::to_string(first + n);
    json.String(target.data(), static_cast<rapidjson::SizeType>(target.size()));
    json.EndArray();
  }
  json.EndArray();
  json.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string results_message(std::uint64_t first, std::uint64_t count) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> json{buffer};
  json.StartObject();
  json.Key("type");
  json.String("results");
  json.Key("items");
  json.StartArray();
  for (std::uint64_t n = 0; n < count; ++n) {
    json.StartObject();
    json.Key("task");
    json.Uint64(first + n);
    json.Key("attempt");
    json.Uint(1);
    json.Key("result");
    json.StartObject();
    json.Key("verdict");
    json.String("passed");
    json.Key("failure");
    json.Null();
    json.Key("started_at_us");
    json.Uint64(1'790'000'000'000'000);
    json.Key("duration_us");
    json.Uint(12);
    json.Key("suspect");
    json.Bool(false);
    json.EndObject();
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

int run_sender(std::uint16_t port, std::uint64_t count, std::uint64_t window) {
  Server server;
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  std::int64_t before = 0;
  const auto fill = [&](const websocketpp::connection_hdl& peer) {
    while (sent < count && sent - answered < window) {
      const auto size = static_cast<std::size_t>(
          std::min({std::uint64_t{kTasksAMessage}, count - sent, window - (sent - answered)}));
      server.send(peer, tasks_message(sent, size), websocketpp::frame::opcode::binary);
      sent += size;
    }
  };
  server.init_asio();
  server.set_reuse_addr(true);
  server.set_max_message_size(4 * 1024 * 1024);
  server.set_tcp_post_init_handler([&server](const websocketpp::connection_hdl& peer) {
    server.get_con_from_hdl(peer)->get_raw_socket().set_option(asio::ip::tcp::no_delay{true});
  });
  server.set_open_handler([&](const websocketpp::connection_hdl& peer) {
    server.stop_listening();
    before = probekit::benchmark::own_cpu_us();
    fill(peer);
  });
  server.set_message_handler(
      [&](const websocketpp::connection_hdl& peer, const Server::message_ptr& message) {
        answered += count_in(message->get_payload());
        fill(peer);
        if (answered == count) server.close(peer, websocketpp::close::status::normal, "");
      });
  server.listen(asio::ip::tcp::endpoint{asio::ip::address_v4::loopback(), port});
  websocketpp::lib::asio::error_code error;
  const auto endpoint = server.get_local_endpoint(error);
  std::printf("%u\n", unsigned{endpoint.port()});
  std::fflush(stdout);
  server.start_accept();
  server.run();
  probekit::benchmark::print_cost(answered, count - answered,
                                  probekit::benchmark::own_cpu_us() - before);
  return answered == count ? 0 : 1;
}

int run_answerer(const std::string& url) {
  Client client;
  std::uint64_t answered = 0;
  std::int64_t before = 0;
  client.init_asio();
  client.set_max_message_size(4 * 1024 * 1024);
  client.set_tcp_post_init_handler([&client](const websocketpp::connection_hdl& peer) {
    client.get_con_from_hdl(peer)->get_raw_socket().set_option(asio::ip::tcp::no_delay{true});
  });
  client.set_open_handler(
      [&](const websocketpp::connection_hdl&) { before = probekit::benchmark::own_cpu_us(); });
  client.set_message_handler(
      [&](const websocketpp::connection_hdl& peer, const Client::message_ptr& message) {
        const auto count = count_in(message->get_payload());
        client.send(peer, results_message(answered, count), websocketpp::frame::opcode::binary);
        answered += count;
      });
  websocketpp::lib::error_code error;
  const auto connection = client.get_connection(url, error);
  if (error) return 1;
  client.connect(connection);
  client.run();
  probekit::benchmark::print_cost(answered, 0, probekit::benchmark::own_cpu_us() - before);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string role = argc > 1 ? argv[1] : "";
  if (role == "send" && argc == 5)
    return run_sender(static_cast<std::uint16_t>(std::atoi(argv[2])),
                      std::strtoull(argv[3], nullptr, 10), std::strtoull(argv[4], nullptr, 10));
  if (role == "answer" && argc == 3) return run_answerer(argv[2]);
  return 2;
}
