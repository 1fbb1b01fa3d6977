package speargun;

import zipkin2.reporter.BytesMessageSender;
import zipkin2.reporter.Encoding;
import zipkin2.reporter.okhttp3.OkHttpSender;
import zipkin2.reporter.urlconnection.URLConnectionSender;

/** The HTTP clients that carry what Brave's reporters write. */
enum Transport {
  OKHTTP {
    @Override
    BytesMessageSender sender(String endpoint, Encoding encoding) {
      return OkHttpSender.newBuilder().endpoint(endpoint).encoding(encoding).build();
    }
  },
  URL_CONNECTION {
    @Override
    BytesMessageSender sender(String endpoint, Encoding encoding) {
      return URLConnectionSender.newBuilder().endpoint(endpoint).encoding(encoding).build();
    }
  };

  abstract BytesMessageSender sender(String endpoint, Encoding encoding);
}
