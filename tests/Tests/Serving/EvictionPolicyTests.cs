using Atoll.Serving;
using Xunit;

namespace Atoll.Tests.Serving;

/// <summary>What makes room for what.</summary>
public sealed class EvictionPolicyTests
{
    [Fact]
    public void A_sweep_over_cold_items_leaves_those_that_are_used()
    {
        var cache = new Room(100);
        for (var i = 0; i < 80; i++) cache.Use("quiet", i);
        for (var i = 0; i < 80; i++) cache.Use("quiet", i);
        for (var i = 1_000; i < 3_000; i++)
        {
            cache.Use("sweeper", i);
            // Every now and then somebody uses what they always use.
            cache.Use("quiet", i % 80);
        }

        var misses = cache.Misses;
        for (var i = 0; i < 80; i++) cache.Use("quiet", i);
        Assert.InRange(cache.Misses - misses, 0, 4);
    }

    [Fact]
    public void What_comes_back_soon_after_it_went_stays_longer_the_second_time()
    {
        var cache = new Room(100);
        for (var i = 0; i < 100; i++) cache.Use("a", i);
        for (var i = 0; i < 100; i++) cache.Use("a", i);
        cache.Use("a", 500);
        for (var i = 1_000; i < 1_030; i++) cache.Use("a", i);
        Assert.False(cache.Holds("a", 500));
        cache.Use("a", 500);
        for (var i = 2_000; i < 2_030; i++) cache.Use("a", i);
        Assert.True(cache.Holds("a", 500));
    }

    [Fact]
    public void Others_cannot_push_a_tenant_below_its_minimum()
    {
        var cache = new Room(100) { Minimum = 5 };
        for (var i = 0; i < 5; i++) cache.Use("small", i);
        for (var round = 0; round < 3; round++)
            for (var i = 0; i < 1_000; i++) cache.Use("large", i);

        for (var i = 0; i < 5; i++) Assert.True(cache.Holds("small", i), $"Item {i} was evicted.");
        Assert.Equal(100, cache.Policy.Bytes);
    }

    [Fact]
    public void A_tenant_below_the_minimum_gets_room_even_where_all_others_are_protected()
    {
        var cache = new Room(10) { Minimum = 5 };
        for (var i = 0; i < 5; i++) cache.Use("a", i);
        for (var i = 0; i < 5; i++) cache.Use("b", i);
        cache.Use("c", 0);
        Assert.True(cache.Holds("c", 0));
        Assert.Equal(10, cache.Policy.Bytes);
    }

    [Fact]
    public void The_minimum_holds_however_many_protected_items_come_first()
    {
        var cache = new Room(1_200) { Minimum = 5 };
        for (var i = 0; i < 400; i++) cache.Use($"small {i}", 0);
        for (var i = 0; i < 800; i++) cache.Use("large", i);
        cache.Use("new", 0);
        for (var i = 0; i < 400; i++) Assert.True(cache.Holds($"small {i}", 0), $"The item of tenant {i} was evicted.");
        Assert.True(cache.Holds("new", 0));
    }

    [Fact]
    public void Room_is_made_also_where_everything_is_used_a_lot()
    {
        var cache = new Room(5_000);
        for (var round = 0; round < 4; round++)
            for (var i = 0; i < 5_000; i++) cache.Use("a", i);
        Assert.True(cache.Policy.EvictOf("a", _ => true));
        for (var round = 0; round < 4; round++) foreach (var item in cache.Items) item.Touch();
        Assert.True(cache.Policy.EvictFor("b", 0, _ => true));
    }

    [Fact]
    public void Nothing_in_use_is_evicted_and_no_room_is_said_to_be_no_room()
    {
        var cache = new Room(10);
        for (var i = 0; i < 10; i++) cache.Use("a", i);
        Assert.False(cache.Policy.EvictFor("b", 0, _ => false));
        Assert.False(cache.Policy.EvictOf("a", _ => false));
        Assert.False(cache.Policy.EvictOf("nobody", _ => true));
        Assert.Equal(10, cache.Policy.Count);
        Assert.True(cache.Policy.EvictFor("b", 0, _ => true));
        Assert.Equal(9, cache.Policy.Count);
    }

    [Fact]
    public void Any_order_of_calls_keeps_the_sums_right()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var cache = new Room(60) { Minimum = 10 };
        for (var i = 0; i < 20_000; i++)
        {
            var (tenant, number) = ($"t{random.Next(6)}", random.Next(40));
            if (random.Next(10) == 0) cache.Drop(tenant, number);
            else cache.Use(tenant, number, random.Next(1, 5));
            Assert.Equal(cache.Items.Sum(item => item.Bytes), cache.Policy.Bytes);
            Assert.Equal(cache.Items.Count(), cache.Policy.Count);
            Assert.InRange(cache.Policy.Bytes, 0, 60);
        }
        foreach (var tenant in cache.Items.GroupBy(item => item.Tenant))
            Assert.Equal(tenant.Sum(item => item.Bytes), cache.Policy.BytesOf(tenant.Key));
    }

    /// <summary>A cache of numbers.</summary>
    private sealed class Room(long bytesMax)
    {
        private readonly Dictionary<(string, int), Item> _items = [];

        public EvictionPolicy Policy { get; } = new();

        public long Minimum { get; init; }

        public int Misses { get; private set; }

        public IEnumerable<Evictable> Items => _items.Values;

        public bool Holds(string tenant, int number) => _items.ContainsKey((tenant, number));

        public void Use(string tenant, int number, long bytes = 1)
        {
            if (_items.TryGetValue((tenant, number), out var known))
            {
                known.Touch();
                return;
            }
            Misses++;
            while (Policy.Bytes + bytes > bytesMax) Assert.True(Policy.EvictFor(tenant, Minimum, item => _items.Remove((item.Tenant, ((Item)item).Number))));
            var made = new Item(tenant, number, bytes);
            _items[(tenant, number)] = made;
            Policy.Add(made);
        }

        public void Drop(string tenant, int number)
        {
            if (_items.Remove((tenant, number), out var item)) Policy.Remove(item);
        }
    }

    /// <summary>Something that takes room.</summary>
    private sealed class Item(string tenant, int number, long bytes) : Evictable
    {
        public int Number => number;

        public override string Tenant => tenant;

        public override ulong Fingerprint => ((ulong)(uint)number << 32) | (uint)tenant.GetHashCode(StringComparison.Ordinal);

        public override long Bytes => bytes;
    }
}
