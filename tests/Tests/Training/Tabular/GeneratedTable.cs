using System.Globalization;
using Atoll.Contracts;
using Atoll.Training;

namespace Atoll.Tests.Training.Tabular;

/// <summary>Makes small tables with a column of every type, missing values, and a target that depends on some of them.</summary>
internal sealed class GeneratedTable(int seed)
{
    private static readonly string[] Plans = ["basic", "plus", "pro", "Größer"];
    private static readonly string[] Hosts = ["https://www.example.com/a", "http://shop.example.org", "example.net/path?x=1", "not a url"];
    private static readonly string[] Words = ["late", "refund", "Great", "broken", "thanks", "café", "delivery", "never", "quick", "again"];

    private readonly Dictionary<string, List<object?>> _columns = [];
    private readonly Dictionary<string, string> _types = [];
    private SplitMix64 _random = new((ulong)seed);

    public TabularExamples Make(string task, int rows, int labels = 2)
    {
        _columns.Clear();
        for (var row = 0; row < rows; row++)
        {
            var age = Missing(0.1) ? float.NaN : 18 + _random.Next(60);
            var spend = Missing(0.05) ? float.NaN : (float)Math.Exp(_random.NextDouble() * 8);
            var plan = Pick(Plans);
            var complaint = _random.NextDouble() < 0.3;
            var words = string.Join(complaint ? ", " : " ", Enumerable.Range(0, _random.Next(6)).Select(_ => Pick(Words)));
            var date = new DateTime(2023, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddHours(_random.Next(20_000));
            Add("age", ColumnTypes.Integer, age);
            Add("spend", ColumnTypes.Currency, spend);
            Add("ratio", ColumnTypes.Percent, (float)_random.NextDouble());
            Add("plan", ColumnTypes.Category, Missing(0.1) ? null : plan);
            Add("active", ColumnTypes.Boolean, _random.NextDouble() < 0.5 ? "yes" : "no");
            Add("signup", ColumnTypes.Date, Missing(0.1) ? null : date.ToString("d/M/yyyy", CultureInfo.InvariantCulture));
            Add("last seen", ColumnTypes.DateTime, Missing(0.1) ? null : date.ToString("yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture));
            Add("called", ColumnTypes.DateTime, Missing(0.1) ? null : date.ToString("MMM d, yyyy h:mm tt", CultureInfo.InvariantCulture));
            Add("comment", ColumnTypes.Text, Missing(0.1) ? null : words + (complaint ? " REFUND!" : ""));
            Add("customer", ColumnTypes.Id, $"c-{row}");
            Add("email", ColumnTypes.Email, Missing(0.2) ? null : $"user{row}@{Pick(["Mail.example", "corp.example", "school.example"])}");
            Add("phone", ColumnTypes.Phone, Missing(0.2) ? null : _random.NextDouble() < 0.7 ? $"+1 (555) 01{row % 100:00}-{row % 1000:000}" : "call me");
            Add("site", ColumnTypes.Url, Missing(0.2) ? null : Pick(Hosts));
            Add("country", ColumnTypes.Country, Pick(["NL", "DE", "FR"]));
            Add("post", ColumnTypes.PostalCode, $"{1000 + _random.Next(30)}");
            Add("cabin", ColumnTypes.Category, Missing(0.3) ? null : $"{(char)('A' + _random.Next(4))}{_random.Next(500)}");
            var score = ((float.IsNaN(age) ? 40 : age) / 30) + (plan == "pro" ? 1 : 0) + (complaint ? -1.5 : 0)
                + (float.IsNaN(spend) ? 0 : Math.Log(spend) / 4) + _random.NextDouble();
            if (task == TaskKinds.Regression) Add("target", ColumnTypes.Number, (float)(score * 1000));
            else Add("target", ColumnTypes.Category, $"label {Math.Clamp((int)((score - 0.5) * labels / 3.5), 0, labels - 1)}");
        }
        return Examples(rows);
    }

    /// <summary>Rows as they come to a served model: empty, unseen, malformed and extreme values.</summary>
    public static TabularExamples Awkward(TabularExamples like)
    {
        string?[] texts =
        [
            null, "", " ", "unseen", "0:basic", "1/2/99", "31/12/1969", "2024-02-30T25:61:99", "99999999999999999999", "Basic", "PRO", "GRÖSSER größer",
            "late late LATE", "@", "a@b@c", "HTTP://X.Y/z", "://", "~", "12~ab", "+1 (555) 0100-999", "\u65e5\u672c\u8a9e", "refund.", "C85",
            "2023-13-01", "0/0/0", "5/6/24", "jan 5, 2020 12:01 AM", "Sept 05 2021 12:59 pm", "December 31 1999 11PM", "mar apr may 1 2 3 4", "feb", "29/2/2024", "2024-02-29T23:59:59.999+02:00",
        ];
        float[] numbers =
        [
            float.NaN, 0, -0f, 1, -1, 1e30f, -1e30f, float.MaxValue, float.MinValue, float.PositiveInfinity, float.NegativeInfinity, 33.3f, 40, 1e-20f,
        ];
        var rows = texts.Length;
        return new TabularExamples(
            [.. like.Columns.Select(column => column with
            {
                Numbers = column.Numbers is null ? null : [.. Enumerable.Range(0, rows).Select(row => numbers[row % numbers.Length])],
                Texts = column.Texts is null ? null : texts,
            })],
            rows, like.Target);
    }

    private TabularExamples Examples(int rows) => new(
        [.. _columns.Select(pair => new ColumnValues
        {
            Name = pair.Key,
            Type = _types[pair.Key],
            Numbers = pair.Value[0] is float ? [.. pair.Value.Cast<float>()] : null,
            Texts = pair.Value[0] is float ? null : [.. pair.Value.Cast<string?>()],
        })],
        rows, "target");

    private void Add(string name, string type, object? value)
    {
        _types[name] = type;
        if (!_columns.TryGetValue(name, out var values)) _columns[name] = values = [];
        values.Add(value);
    }

    private bool Missing(double share) => _random.NextDouble() < share;

    private string Pick(string[] values) => values[_random.Next(values.Length)];
}
