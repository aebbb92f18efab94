package headkeeper.curator;

import headkeeper.Story;

/** Every recipe of Apache Curator, case by case. Arguments: the server's address, and a part of a case's name. */
public final class CuratorStory {
    private CuratorStory() {}

    public static void main(String[] arguments) throws Exception {
        Story story = new Story();
        FrameworkCases.register(story);
        LockCases.register(story);
        LeaderCases.register(story);
        CacheCases.register(story);
        NodeCases.register(story);
        QueueCases.register(story);
        AsyncCases.register(story);
        DiscoveryCases.register(story);
        story.tell(arguments[0], arguments.length > 1 ? arguments[1] : "");
    }
}
