package speargun;

import java.io.FileInputStream;
import java.io.InputStream;
import java.security.KeyStore;
import java.util.Base64;

/** Prints the key of a store as PEM: the tool that makes stores can't. */
public final class Pem {
  private Pem() {}

  /** File of the store, its password, and the name of the key. */
  public static void main(String[] args) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream file = new FileInputStream(args[0])) {
      store.load(file, args[1].toCharArray());
    }
    byte[] key = store.getKey(args[2], args[1].toCharArray()).getEncoded();
    String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(key);
    System.out.println("-----BEGIN PRIVATE KEY-----\n" + text + "\n-----END PRIVATE KEY-----");
  }
}
