using System.Globalization;
using Atoll.Training;
using Atoll.Training.Tabular;
using Xunit;

namespace Atoll.Tests.Training.Tabular;

/// <summary>Dates as they are written, against the calendar of the runtime.</summary>
public sealed class DateLayoutTests
{
    [Theory]
    [InlineData("yyyy-MM-dd")]
    [InlineData("yyyy/M/d")]
    [InlineData("M/d/yy")]
    [InlineData("M/d/yyyy")]
    [InlineData("d.M.yyyy")]
    [InlineData("d-MMM-yyyy")]
    [InlineData("MMMM d, yyyy")]
    [InlineData("ddd, d MMM yyyy HH:mm:ss 'GMT'")]
    [InlineData("yyyy-MM-dd'T'HH:mm:ss.fff'Z'")]
    [InlineData("yyyy-MM-dd HH:mm")]
    [InlineData("M/d/yyyy h:mm:ss tt")]
    [InlineData("d MMM yyyy h:mm tt")]
    public void Dates_are_read_as_the_runtime_reads_them(string format)
    {
        var random = new SplitMix64(1);
        var dates = Enumerable.Range(0, 300).Select(_ => new DateTime(1971, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(random.NextDouble() * 1.8e9)).ToArray();
        var texts = dates.Select(date => date.ToString(format, CultureInfo.InvariantCulture)).ToArray();

        var layout = DateLayout.Detect(texts);

        Assert.NotNull(layout);
        for (var i = 0; i < dates.Length; i++)
        {
            var expected = DateTime.ParseExact(texts[i], format, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal);
            var read = layout.Read(texts[i])!.Value;
            Assert.Equal((expected - DateTime.UnixEpoch).Days, read.Days);
            Assert.Equal((int)expected.TimeOfDay.TotalSeconds, read.Seconds);
            Assert.Equal((expected.Month, expected.Day), (read.Month, read.Day));
            var dayOfWeek = DateLayout.PartOf(DatePart.DayOfWeek, read, 0);
            Assert.Equal(((int)expected.DayOfWeek + 6) % 7, (int)dayOfWeek);
        }
    }

    [Theory]
    [InlineData("1969-12-31", -1)]
    [InlineData("1600-02-29", -135_081)]
    [InlineData("2100-03-01", 47_541)]
    public void Days_are_counted_over_centuries(string text, int days) =>
        Assert.Equal(days, new DateLayout(0, 1, 2).Read(text)!.Value.Days);

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("soon")]
    [InlineData("2024-13-01")]
    [InlineData("2024-00-10")]
    [InlineData("2024-01-32")]
    [InlineData("24-01-02")]
    [InlineData("99999999999999999999")]
    public void What_is_no_date_is_missing(string? text) => Assert.Null(new DateLayout(0, 1, 2).Read(text));

    [Fact]
    public void One_day_above_twelve_tells_the_order_for_the_whole_column()
    {
        Assert.Equal(new DateLayout(2, 1, 0), DateLayout.Detect(["1/2/2024", "13/2/2024"]));
        Assert.Equal(new DateLayout(2, 0, 1), DateLayout.Detect(["1/2/2024", "2/13/2024"]));
        Assert.Equal(new DateLayout(2, 0, 1), DateLayout.Detect(["1/2/2024"]));
        Assert.Null(DateLayout.Detect(["red", "blue", "1/2/2024"]));
        Assert.Null(DateLayout.Detect([]));
    }
}
