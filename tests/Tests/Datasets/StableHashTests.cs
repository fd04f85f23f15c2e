using System.Numerics;
using System.Text;
using Atoll.Datasets;

namespace Atoll.Tests.Datasets;

public sealed class StableHashTests
{
    [Fact]
    public void The_hash_never_changes()
    {
        // Splits of stored datasets depend on these numbers: a change of them is a mistake.
        Assert.Equal(6826203736268779140UL, StableHash.Of(""u8));
        Assert.Equal(11790215689748216070UL, StableHash.Of("atoll"u8));
        Assert.Equal(2821717595033295890UL, StableHash.Of("a text that is longer than thirty-two bytes"u8, seed: 7));
        Assert.Equal(4233610430866158392UL, StableHash.Reseed(42, 7));
    }

    [Fact]
    public void Similar_things_have_different_hashes_of_even_bits()
    {
        var seen = new HashSet<ulong>();
        var bits = new int[64];
        const int Count = 200_000;
        for (int i = 0; i < Count; i++)
        {
            ulong hash = StableHash.Of(Encoding.UTF8.GetBytes($"{i},x"));
            Assert.True(seen.Add(hash));
            for (int bit = 0; bit < 64; bit++) bits[bit] += (int)(hash >> bit) & 1;
        }

        Assert.All(bits, ones => Assert.InRange(ones, Count * 0.49, Count * 0.51));
    }

    [Fact]
    public void One_changed_bit_changes_half_of_the_hash()
    {
        var bytes = Encoding.UTF8.GetBytes("a text that is longer than sixteen bytes");
        ulong before = StableHash.Of(bytes);
        double changed = 0;
        for (int bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            changed += BitOperations.PopCount(before ^ StableHash.Of(bytes));
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.InRange(changed / (bytes.Length * 8), 28, 36);
    }
}
