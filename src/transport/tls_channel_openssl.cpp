// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <asio/ip/address.hpp>
#include <asio/ssl.hpp>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "transport/tls_channel_asio.hpp"

namespace probekit {

struct TlsContext {
  explicit TlsContext(asio::ssl::context::method method) : context(method) {
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  }

  asio::ssl::context context;
};

namespace {

constexpr std::size_t kNamesShown = 8;

[[noreturn]] void reject_file(const char* what, const std::string& file,
                              const asio::error_code& error) {
  throw std::invalid_argument(std::string(what) + ": " + file + ": " + error.message());
}

// What comes from a peer's certificate goes to logs.
std::string printable(const unsigned char* bytes, int size) {
  std::string text;
  for (int i = 0; i < size && i < 200; ++i) {
    text += bytes[i] < ' ' || bytes[i] > '~' ? '?' : static_cast<char>(bytes[i]);
  }
  return text;
}

std::string common_name(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return "no name";
  const ASN1_STRING* const text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  return '`' + printable(ASN1_STRING_get0_data(text), ASN1_STRING_length(text)) + '`';
}

// "`a.example`, `b.example`"
std::string names_of(X509* certificate) {
  auto* const names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  if (names == nullptr) return common_name(X509_get_subject_name(certificate));
  std::string text;
  const int count = sk_GENERAL_NAME_num(names);
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    std::string one;
    if (name->type == GEN_DNS) {
      one = printable(ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      const ASN1_OCTET_STRING* const ip = name->d.iPAddress;
      const unsigned char* const bytes = ASN1_STRING_get0_data(ip);
      if (ASN1_STRING_length(ip) == 4) {
        asio::ip::address_v4::bytes_type v4;
        std::copy_n(bytes, v4.size(), v4.begin());
        one = asio::ip::address_v4(v4).to_string();
      } else if (ASN1_STRING_length(ip) == 16) {
        asio::ip::address_v6::bytes_type v6;
        std::copy_n(bytes, v6.size(), v6.begin());
        one = asio::ip::address_v6(v6).to_string();
      }
    }
    if (one.empty()) continue;
    if (static_cast<std::size_t>(i) >= kNamesShown) {
      text += ", ...";
      break;
    }
    text += (text.empty() ? "`" : ", `") + one + '`';
  }
  GENERAL_NAMES_free(names);
  return text.empty() ? "no name" : text;
}

std::string date_of(const ASN1_TIME* time) {
  tm broken{};
  char text[32];
  if (ASN1_TIME_to_tm(time, &broken) != 1 ||
      std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &broken) == 0) {
    return "a date that cannot be read";
  }
  return text;
}

std::string certificate_fault(X509_STORE_CTX* context, const std::string& peer) {
  const int error = X509_STORE_CTX_get_error(context);
  X509* const certificate = X509_STORE_CTX_get_current_cert(context);
  if (certificate == nullptr) return X509_verify_cert_error_string(error);
  const std::string whose =
      X509_STORE_CTX_get_error_depth(context) == 0
          ? "the server's certificate "
          : "certificate " + common_name(X509_get_subject_name(certificate)) + " of its chain ";
  switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return whose + "is for " + names_of(certificate) + " and not for `" + peer +
             "`; connect by a name it has (--master)";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return whose + "is signed by " + common_name(X509_get_issuer_name(certificate)) +
             ", an authority that is not trusted here; name its file with --ca-file";
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return whose + "expired at " + date_of(X509_get0_notAfter(certificate)) +
             " by this host's clock; renew it";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return whose + "is not valid before " + date_of(X509_get0_notBefore(certificate)) +
             " by this host's clock";
    default:
      return whose + "is not accepted: " + X509_verify_cert_error_string(error);
  }
}

class OpensslChannel final : public TlsChannel {
 public:
  OpensslChannel(asio::ip::tcp::socket& socket, std::shared_ptr<TlsContext> context,
                 const std::string& peer)
      : context_(std::move(context)), stream_(socket, context_->context), peer_(peer) {
    if (peer_.empty()) return;
    SSL* const ssl = stream_.native_handle();
    X509_VERIFY_PARAM* const param = SSL_get0_param(ssl);
    std::string name = peer_;
    if (name.back() == '.') name.pop_back();
    asio::error_code no_address;
    asio::ip::make_address(name, no_address);
    bool fine = true;
    if (no_address) {
      // RFC 6066, 3: no address is a server's name.
      fine = SSL_set_tlsext_host_name(ssl, name.c_str()) == 1 &&
             X509_VERIFY_PARAM_set1_host(param, name.c_str(), name.size()) == 1;
      X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    } else {
      fine = X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str()) == 1;
    }
    // RFC 7301: a WebSocket begins as HTTP/1.1, whatever else the port speaks.
    static const unsigned char kHttp11[] = "\x08http/1.1";
    fine = fine && SSL_set_alpn_protos(ssl, kHttp11, sizeof kHttp11 - 1) == 0;
    if (!fine) throw std::runtime_error("TLS cannot be set up for " + peer_);
    stream_.set_verify_mode(asio::ssl::verify_peer);
    stream_.set_verify_callback([this](bool fine_so_far, asio::ssl::verify_context& verify) {
      if (!fine_so_far) fault_ = certificate_fault(verify.native_handle(), peer_);
      return fine_so_far;
    });
  }

  void handshake(Done done) override {
    stream_.async_handshake(
        peer_.empty() ? asio::ssl::stream_base::server : asio::ssl::stream_base::client,
        [this, done = std::move(done)](const asio::error_code& error) {
          established_ = !error;
          if (error && fault_.empty()) fault_ = handshake_fault(error);
          done(translated(error));
        });
  }

  bool established() const noexcept override { return established_; }
  const std::string& fault() const noexcept override { return fault_; }

  void read_some(std::vector<asio::mutable_buffer> buffers, Moved moved) override {
    stream_.async_read_some(
        buffers, [moved = std::move(moved)](const asio::error_code& error, std::size_t bytes) {
          moved(translated(error), bytes);
        });
  }

  void write_some(std::vector<asio::const_buffer> buffers, Moved moved) override {
    stream_.async_write_some(
        buffers, [moved = std::move(moved)](const asio::error_code& error, std::size_t bytes) {
          moved(translated(error), bytes);
        });
  }

  void say_end(std::shared_ptr<void> keep) override {
    if (!established_) return;
    stream_.async_shutdown([keep = std::move(keep)](const asio::error_code&) {});
  }

 private:
  static bool is_of_tls(const asio::error_code& error) {
    return error.category() == asio::error::get_ssl_category() ||
           error.category() == asio::ssl::error::get_stream_category();
  }

  // To what a plain socket would say.
  static asio::error_code translated(const asio::error_code& error) {
    if (!is_of_tls(error)) return error;
    if (error == asio::ssl::error::stream_truncated) return asio::error::eof;
    return asio::error_code(EBADMSG, asio::system_category());
  }

  static std::string handshake_fault(const asio::error_code& error) {
    if (!is_of_tls(error) || error == asio::ssl::error::stream_truncated) return {};
    std::string text = error.message();
    const int reason = ERR_GET_REASON(static_cast<unsigned long>(error.value()));
    if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST) {
      text += "; the port may not speak TLS (ws:// instead of wss://)";
    }
    return text;
  }

  const std::shared_ptr<TlsContext> context_;
  asio::ssl::stream<asio::ip::tcp::socket&> stream_;
  const std::string peer_;
  std::string fault_;
  bool established_ = false;
};

}  // namespace

std::shared_ptr<TlsContext> make_tls_client_context(const std::string& ca_file) {
  auto made = std::make_shared<TlsContext>(asio::ssl::context::tls_client);
  asio::error_code error;
  if (ca_file.empty()) {
    made->context.set_default_verify_paths(error);
    if (error) reject_file("ca_file", "the system's", error);
  } else {
    made->context.load_verify_file(ca_file, error);
    if (error) reject_file("ca_file", ca_file, error);
  }
  return made;
}

std::shared_ptr<TlsContext> make_tls_server_context(const std::string& certificate_file,
                                                    const std::string& key_file) {
  auto made = std::make_shared<TlsContext>(asio::ssl::context::tls_server);
  asio::error_code error;
  made->context.use_certificate_chain_file(certificate_file, error);
  if (error) reject_file("certificate_file", certificate_file, error);
  made->context.use_private_key_file(key_file, asio::ssl::context::pem, error);
  if (error) reject_file("key_file", key_file, error);
  return made;
}

std::unique_ptr<TlsChannel> make_tls_channel(asio::ip::tcp::socket& socket,
                                             std::shared_ptr<TlsContext> context,
                                             const std::string& peer) {
  return std::make_unique<OpensslChannel>(socket, std::move(context), peer);
}

}  // namespace probekit
