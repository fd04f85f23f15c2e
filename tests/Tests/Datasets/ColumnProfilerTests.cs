using System.Globalization;
using Atoll.Contracts;
using Atoll.Datasets;

namespace Atoll.Tests.Datasets;

public sealed class ColumnProfilerTests
{
    public static TheoryData<string, string, string, string?> Columns => new()
    {
        { "age", "31 45 27 31 60 18", ColumnTypes.Integer, null },
        { "delta", "-3 +4 0 7 7 12", ColumnTypes.Integer, null },
        { "height", "1.75 1.8 2 -0.5 1e3", ColumnTypes.Number, null },
        { "height", "1,75 1,8 2 3,25", ColumnTypes.Number, ColumnFormats.DecimalComma },
        { "amount", "1.234,50 12,00 1.000.000,00", ColumnTypes.Number, ColumnFormats.DecimalComma },
        { "population", "1,234 12,500 1,000,000 300", ColumnTypes.Number, null },
        { "population", "1'234 12'500 1'000'000", ColumnTypes.Number, null },
        { "price", "$1,200.50 $3 $17.00 -$4.20 ($5.00)", ColumnTypes.Currency, null },
        { "preis", "12,50_€ 3,00_€ 1.200,00_€", ColumnTypes.Currency, ColumnFormats.DecimalComma },
        { "fee", "USD_12 USD_13.5 14_EUR", ColumnTypes.Currency, null },
        { "share", "12% 3.5% 100_%", ColumnTypes.Percent, null },
        { "churn", "Yes No No yes NO", ColumnTypes.Boolean, null },
        { "active", "true false TRUE", ColumnTypes.Boolean, null },
        { "flag", "0 1 1 0", ColumnTypes.Boolean, null },
        { "flag", "1 1 1 1", ColumnTypes.Integer, null },
        { "born", "2020-01-31 1999-12-01", ColumnTypes.Date, "yyyy-M-d" },
        { "born", "31/01/2020 01/12/1999", ColumnTypes.Date, "d/M/yyyy" },
        { "born", "01/31/2020 12/01/1999", ColumnTypes.Date, "M/d/yyyy" },
        { "born", "31.1.2020 1.12.1999", ColumnTypes.Date, "d.M.yyyy" },
        { "born", "3_Feb_2020 14_Dec_1999", ColumnTypes.Date, "d MMM yyyy" },
        { "born", "Feb_3,_2020 Dec_14,_1999", ColumnTypes.Date, "MMM d, yyyy" },
        { "seen", "2020-01-31T10:20:30Z 1999-12-01T00:00:00Z", ColumnTypes.DateTime, "yyyy-M-d'T'H:m:sK" },
        { "seen", "2020-01-31_10:20 1999-12-01_23:59", ColumnTypes.DateTime, "yyyy-M-d H:m" },
        { "seen", "1/31/2020_9:05_PM 12/1/1999_1:00_AM", ColumnTypes.DateTime, "M/d/yyyy h:m tt" },
        { "year", "1999 2004 2010 2004", ColumnTypes.Integer, null },
        { "mail", "a@b.de c.d@e.co.uk x+y@z.org", ColumnTypes.Email, null },
        { "site", "http://a.de https://b.org/x?y=1 www.c.fr", ColumnTypes.Url, null },
        { "contact", "+49_30_123456 (030)_123-4567 555-123-4567", ColumnTypes.Phone, null },
        { "phone", "5551234567 5559876543 5550001111", ColumnTypes.Phone, null },
        { "native-country", "United-States Mexico Cuba United-States Germany", ColumnTypes.Country, null },
        { "country", "DE FR US GB DE", ColumnTypes.Country, null },
        { "state", "CA IN MO AL CA", ColumnTypes.Category, null },
        { "zip", "00501 10115 90210", ColumnTypes.PostalCode, null },
        { "Postal Code", "SW1A_1AA EC1A_1BB", ColumnTypes.PostalCode, null },
        { "code", "007 012 007 001", ColumnTypes.Category, null },
        { "customerID", "7590-VHVEG 5575-GNVDE 3668-QPYBK", ColumnTypes.Id, null },
        { "PassengerId", "17 4 99 12", ColumnTypes.Id, null },
        { "paid", "17 4 99 12", ColumnTypes.Integer, null },
        { "colour", "red green red blue green", ColumnTypes.Category, null },
        { "nothing", "", ColumnTypes.Category, null },
        { "comment", "the_train_was_late_again_today i_like_the_new_seats_very_much where_is_my_refund_please", ColumnTypes.Text, null },
    };

    [Theory]
    [MemberData(nameof(Columns))]
    public void Types_are_recognised(string name, string values, string type, string? format)
    {
        var verdict = Profile(name, values.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(value => value.Replace('_', ' '))).Infer();

        Assert.Equal((type, format), (verdict.Type, verdict.Format));
        Assert.Equal(0, verdict.Misfits);
    }

    public static TheoryData<string, Func<int, string>, string> LongColumns => new()
    {
        { "nr", i => $"{i + 1}", ColumnTypes.Id },
        { "reading", i => $"{i * 7919 % 100003}", ColumnTypes.Integer },
        { "token", i => $"{i * 2654435761L % 4294967296:x8}a1", ColumnTypes.Id },
        { "city", i => $"City {i % 150}", ColumnTypes.Category },
        { "said", i => $"well {i} I never {i * 31 % 977} did like {i % 13} that", ColumnTypes.Text },
        { "uuid", i => new Guid(i, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11).ToString(), ColumnTypes.Id },
        { "name", i => $"Ann{i}, Mrs. Ben", ColumnTypes.Text },
    };

    [Theory]
    [MemberData(nameof(LongColumns))]
    public void Long_columns_are_judged_by_how_values_repeat(string name, Func<int, string> value, string type) =>
        Assert.Equal(type, Profile(name, Enumerable.Range(0, 3000).Select(value)).Infer().Type);

    [Fact]
    public void A_few_misfits_are_counted_and_the_first_one_is_placed()
    {
        var values = Enumerable.Range(0, 2000).Select(i => i is 700 or 1500 ? "lots" : $"{i * 37 % 500}");

        var verdict = Profile("amount", values).Infer();

        Assert.Equal((ColumnTypes.Integer, 2L, 702L, "lots"), (verdict.Type, verdict.Misfits, verdict.MisfitLine, verdict.MisfitValue));
        Assert.Equal(ColumnTypes.Category, Profile("amount", Enumerable.Range(0, 2000).Select(i => i % 4 == 0 ? "lots" : $"{i * 37 % 500}")).Infer().Type);
    }

    [Fact]
    public void Semicolons_turn_doubtful_values_to_continental_ways()
    {
        Assert.True(Profile("when", ["01/02/2020", "03/04/2021"]).Infer() is { AmbiguousDate: true, Format: "M/d/yyyy" });
        Assert.True(Profile("when", ["01/02/2020", "03/04/2021"], semicolons: true).Infer() is { AmbiguousDate: true, Format: "d/M/yyyy" });
        Assert.Null(Profile("sum", ["1,234", "2,500"]).Infer().Format);
        Assert.Equal(ColumnFormats.DecimalComma, Profile("sum", ["1,234", "2,500"], semicolons: true).Infer().Format);
    }

    [Theory]
    [InlineData(50, 11)]
    [InlineData(900, 12)]
    [InlineData(60_000, 13)]
    public void Statistics_agree_with_counting_by_hand(int count, int seed)
    {
        var random = new Random(seed);
        var values = Enumerable.Range(0, count).Select(_ => Math.Round(Math.Exp(random.NextDouble() * 9) - 100, 2)).ToArray();
        var profiler = Profile("x", values.Select(value => value.ToString(CultureInfo.InvariantCulture)));
        for (int i = 0; i < 7; i++) profiler.AddMissing();

        var statistics = profiler.ToStatistics(ColumnTypes.Number, null);

        var numbers = statistics.Numbers!;
        double mean = values.Average();
        Assert.Equal((count, 7L), (statistics.Count, statistics.Missing));
        Assert.Equal((values.Min(), values.Max()), (numbers.Min, numbers.Max));
        Assert.Equal(mean, numbers.Mean, 6);
        Assert.Equal(Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (count - 1)), numbers.StandardDeviation, 6);

        long distinct = values.Distinct().Count();
        Assert.InRange(statistics.Distinct, distinct * 0.94, distinct * 1.06);
        Assert.Equal(statistics.DistinctApproximate, count > 10_000);
        if (!statistics.DistinctApproximate) Assert.Equal(distinct, statistics.Distinct);

        Array.Sort(values);
        foreach (var quantile in numbers.Quantiles)
        {
            int low = Array.FindIndex(values, value => value >= quantile.Value), high = Array.FindLastIndex(values, value => value <= quantile.Value);
            double off = Math.Max(0, Math.Max(((double)low / count) - quantile.Fraction, quantile.Fraction - ((double)(high + 1) / count)));
            Assert.True(off <= (numbers.QuantilesApproximate ? 0.012 : 0), $"seed {seed}: quantile {quantile.Fraction} is off by {off}");
        }
    }

    [Fact]
    public void Frequent_values_are_found_among_many()
    {
        var random = new Random(5);
        var values = Enumerable.Range(0, 60_000).Select(_ => random.Next(3) switch { 0 => "often", 1 => $"some{random.Next(5)}", _ => $"rare{random.Next(100_000)}" }).ToList();

        var statistics = Profile("x", values).ToStatistics(ColumnTypes.Text, null);

        Assert.True(statistics.TopValuesApproximate);
        Assert.Equal("often", statistics.TopValues[0].Value);
        Assert.Equal(["some0", "some1", "some2", "some3", "some4"], statistics.TopValues.Skip(1).Take(5).Select(top => top.Value).Order());
        foreach (var top in statistics.TopValues) Assert.InRange(top.Count, 0, values.Count(value => value == top.Value));

        var few = Profile("x", ["b", "a", "b", "c"]).ToStatistics(ColumnTypes.Category, null);
        Assert.Equal([new ValueCount("b", 2), new ValueCount("a", 1), new ValueCount("c", 1)], few.TopValues);
        Assert.False(few.TopValuesApproximate);
    }

    [Fact]
    public void Numbers_are_read_in_both_ways_of_writing()
    {
        (string Text, bool Comma, double? Value)[] table =
        [
            ("12", false, 12), ("-1.5", false, -1.5), ("+2", false, 2), (".5", false, 0.5), ("5.", false, 5), ("1e-3", false, 0.001), ("1,234.5", false, 1234.5),
            ("1.234,5", true, 1234.5), ("1,5", true, 1.5), ("1.5", true, null), ("1,5", false, null), ("12,34", false, null), ("1,2345", false, null), ("1,234,56", false, null),
            ("1 234 567,8", true, 1234567.8), ("1 234,5 6", true, null), ("(12.5)", false, -12.5), ("(-3)", false, null), ("−4", false, -4), ("1-2", false, null),
            ("", false, null), ("-", false, null), (".", false, null), ("1e999", false, null), ("NaN", false, null), ("0x10", false, null), ("1,234'567", false, null), ("Infinity", false, null),
        ];
        foreach (var (text, comma, value) in table)
        {
            bool read = CellValues.TryNumber(text, comma, out double number);
            Assert.True(value is { } expected ? read && Math.Abs(number - expected) < 1e-9 : !read, $"'{text}' gave {read} {number}");
        }
    }

    private static ColumnProfiler Profile(string name, IEnumerable<string> values, bool semicolons = false)
    {
        var profiler = new ColumnProfiler(name, semicolons, columns: 10);
        long line = 2;
        foreach (var value in values) profiler.Add(value, line++);
        return profiler;
    }
}
