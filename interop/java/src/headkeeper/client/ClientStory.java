package headkeeper.client;

import headkeeper.Story;

/** What applications ask of ZooKeeper's own Java client, case by case. Arguments: the server's address, and a part of a case's name. */
public final class ClientStory {
    private ClientStory() {}

    public static void main(String[] arguments) throws Exception {
        Story story = new Story();
        ZnodeCases.register(story);
        MultiCases.register(story);
        AccessCases.register(story);
        WatchCases.register(story);
        ReconnectCases.register(story);
        SessionCases.register(story);
        ServerCases.register(story);
        story.tell(arguments[0], arguments.length > 1 ? arguments[1] : "");
    }
}
