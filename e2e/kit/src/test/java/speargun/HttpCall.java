package speargun;

import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.function.Supplier;
import zipkin2.Call;
import zipkin2.Callback;

/** One request that is made and sent when it is executed, never before. */
final class HttpCall<V> extends Call.Base<V> {
  /** Makes a result of an answer, or fails when the status is not the one that it wants. */
  interface Decoder<V> {
    V decode(HttpResponse<byte[]> answer) throws IOException;
  }

  private final Supplier<HttpRequest> request;
  private final Decoder<V> decoder;

  HttpCall(Supplier<HttpRequest> request, Decoder<V> decoder) {
    this.request = request;
    this.decoder = decoder;
  }

  @Override
  protected V doExecute() throws IOException {
    try {
      return decoder.decode(Server.CLIENT.send(request.get(), BodyHandlers.ofByteArray()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  @Override
  protected void doEnqueue(Callback<V> callback) {
    Server.CLIENT
        .sendAsync(request.get(), BodyHandlers.ofByteArray())
        .whenComplete((answer, error) -> complete(answer, error, callback));
  }

  @Override
  public Call<V> clone() {
    return new HttpCall<>(request, decoder);
  }

  private void complete(HttpResponse<byte[]> answer, Throwable error, Callback<V> callback) {
    if (error != null) {
      callback.onError(error);
      return;
    }
    V result;
    try {
      result = decoder.decode(answer);
    } catch (IOException | RuntimeException e) {
      callback.onError(e);
      return;
    }
    callback.onSuccess(result);
  }
}
