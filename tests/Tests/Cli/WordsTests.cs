using Atoll.Cli;

namespace Atoll.Tests.Cli;

public sealed class WordsTests
{
    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1500, "1.5 kB")]
    [InlineData(999_499, "999 kB")]
    [InlineData(999_600, "1.0 MB")]
    [InlineData(80_400_000_000, "80.4 GB")]
    public void Sizes_are_short(long bytes, string expected) => Assert.Equal(expected, Words.Bytes(bytes));

    [Theory]
    [InlineData(0.2, "200 ms")]
    [InlineData(1.24, "1.2 s")]
    [InlineData(42, "42 s")]
    [InlineData(125, "2 min 5 s")]
    [InlineData(7260, "2 h 1 min")]
    [InlineData(180000, "2 d 2 h")]
    public void Durations_are_short(double seconds, string expected) => Assert.Equal(expected, Words.Duration(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(0.91549, "0.915")]
    [InlineData(45812.3, "45,812")]
    [InlineData(0, "0.000")]
    [InlineData(0.00002, "2.0e-5")]
    public void Scores_have_the_digits_that_matter(double score, string expected) => Assert.Equal(expected, Words.Score(score));

    [Theory]
    [InlineData(1, "1 sample")]
    [InlineData(2000, "2,000 samples")]
    public void Counts_agree_with_their_nouns(long count, string expected) => Assert.Equal(expected, Words.Plural(count, "sample"));
}
