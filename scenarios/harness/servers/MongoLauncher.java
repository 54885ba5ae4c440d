import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.MongoDatabase;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.CollectionOptions;
import de.bwaldvogel.mongo.backend.CursorRegistry;
import de.bwaldvogel.mongo.backend.QueryResult;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.h2.H2Collection;
import de.bwaldvogel.mongo.backend.h2.H2Database;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;
import java.util.Set;
import java.util.Spliterators;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.h2.mvstore.MVMap;
import org.h2.mvstore.MVStore;

/** A server that speaks MongoDB's protocol: MongoLauncher PORT FILE. */
public class MongoLauncher {

    /** The library's own wire version, 8, is refused by current clients; it knows what they say. */
    private static final MongoVersion VERSION = new MongoVersion() {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(5, 0, 0);
        }

        @Override
        public int getWireVersion() {
            return 13;
        }
    };

    /** Uses the ids' order where a query says more than the id; the library looks at all documents. */
    private static class ById extends H2Collection {
        private final MVMap<Object, Document> byId;

        ById(MongoDatabase in, String name, CollectionOptions options, MVStore store, CursorRegistry cursors) {
            super(in, name, options, store.openMap("databases." + in.getDatabaseName() + "." + name),
                store.openMap("meta." + in.getDatabaseName() + "." + name), cursors);
            byId = store.openMap("databases." + in.getDatabaseName() + "." + name);
        }

        @Override
        protected QueryResult queryDocuments(
            Document query, Document order, int skip, int limit, int batch, Document fields
        ) {
            Object id = query.get("_id");
            if (id instanceof Document range && range.keySet().equals(Set.of("$gt"))
                && range.get("$gt") instanceof Integer after && new Document("_id", 1).equals(order)) {
                Stream<Document> from = StreamSupport.stream(
                    Spliterators.spliteratorUnknownSize(byId.keyIterator(after), 0), false).map(byId::get);
                return matchDocumentsFromStream(from, query, null, skip, limit, batch, fields);
            }
            if (query.size() == 1 || id == null) {
                return super.queryDocuments(query, order, skip, limit, batch, fields);
            }
            List<Document> found =
                super.queryDocuments(new Document("_id", id), null, 0, 0, 0, null).collectDocuments();
            return matchDocumentsFromStream(found.stream(), query, order, skip, limit, batch, fields);
        }
    }

    /** Writes to its file before it answers, as MongoDB does for j=true; the library waits 1 s. */
    private static class Durable extends H2Backend {
        Durable(String file) {
            super(file);
        }

        @Override
        protected MongoDatabase openOrCreateDatabase(String name) {
            MVStore store = getMvStore();
            return new H2Database(name, store, getCursorRegistry()) {
                @Override
                protected MongoCollection<Object> openOrCreateCollection(String collection, CollectionOptions options) {
                    return new ById(this, collection, options, store, cursorRegistry);
                }
            };
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            Document answer = super.handleMessage(message);
            if (getMvStore().hasUnsavedChanges()) {
                commit();
            }
            return answer;
        }
    }

    public static void main(String[] arguments) {
        MongoServer server = new MongoServer(new Durable(arguments[1]).version(VERSION));
        server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    }
}
