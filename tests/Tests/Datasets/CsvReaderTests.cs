using System.Text;
using Atoll.Datasets;

namespace Atoll.Tests.Datasets;

public sealed class CsvReaderTests
{
    private static readonly CsvDialect Plain = new() { Encoding = Encoding.UTF8 };

    public static TheoryData<string, string[]> Layouts => new()
    {
        { "a,b\nc,d\n", ["1:a|b", "2:c|d"] },
        { "a,b\r\nc,d", ["1:a|b", "2:c|d"] },
        { "a,b\rc,d\r", ["1:a|b", "2:c|d"] },
        { "a,b\n\n\r\n  \nc,d\n", ["1:a|b", "5:c|d"] },
        { "a,,\n,,\n", ["1:a||", "2:||"] },
        { " a , b \n", ["1:a|b"] },
        { "\" a \", \"b\" \n", ["1: a |b"] },
        { "\"a \"\"b\"\" c\",\"\"\n", ["1:a \"b\" c|"] },
        { "\"x\ny\r\nz\",1\nb,2\n", ["1:x\ny\r\nz|1", "4:b|2"] },
        { "5\" disk,b\n", ["1:5\" disk|b"] },
        { "\"a,b\",c\n", ["1:a,b|c"] },
        { "\uFEFFa,b\n", ["1:a|b"] },
        { "a\n\"\"\nb\n", ["1:a", "2:", "3:b"] },
        { "ab\"cd,\"e\"\n", ["1:ab\"cd|e"] },
        { "a,b", ["1:a|b"] },
        { "a,", ["1:a|"] },
        { "\n\n", [] },
        { "", [] },
        { "\"C:\\temp\\\",b\n", ["1:C:\\temp\\|b"] },
    };

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Rows_come_out_as_they_were_meant(string text, string[] expected) => Assert.Equal(expected, Rows(text, Plain));

    [Fact]
    public void Escapes_by_backslash_are_undone_where_the_file_uses_them() =>
        Assert.Equal(["1:say \"hi\"|C:\\temp|\\"], Rows("\"say \\\"hi\\\"\",\"C:\\temp\",\"\\\\\"\n", Plain with { BackslashEscapes = true }));

    public static TheoryData<string, string> Faults => new()
    {
        { "a,b\n\"c\"x,d\ne,f\n", "2:TextAfterQuote@2/0" },
        { "a,b\nc,\"d\"e\"\ng,h\n", "2:TextAfterQuote@2/1" },
        { "a,b\nc,d\0d\ne,f\n", "2:NulCharacter@2/1" },
        { "a,b\n\"c\nd\0\",e\nf,g\n", "2:NulCharacter@3/0" },
        { "a,b\nc,\"d\ne,f\ng,h\n", "2:UnterminatedQuote@2/1" },
        { "a,b\nc,0123456789012345678901\ne,f\n", "2:FieldTooLong@2/1" },
        { "a,b\n\"0123456789\n0123456789\",x\ne,f\n", "2:FieldTooLong@2/0" },
        { "a,b\n1,2,3,4,5,6,7\ne,f\n", "2:TooManyFields@2/6" },
        { "a,b\n0123456789,0123456789,0123456789,0123456789\ne,f\n", "2:RowTooLong@2/3" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void A_faulty_row_is_named_and_the_next_one_is_read(string text, string expected)
    {
        using var reader = new CsvReader(new MemoryStream(Encoding.UTF8.GetBytes(text)), Plain, new CsvLimits(20, 39, 6));
        Assert.True(reader.Read());
        Assert.Equal(CsvFault.None, reader.Fault);

        Assert.True(reader.Read());
        Assert.Equal(expected, $"{reader.Line}:{reader.Fault}@{reader.FaultLine}/{reader.FaultField}");
        bool ended = reader.Fault == CsvFault.UnterminatedQuote;

        Assert.Equal(!ended, reader.Read());
        if (!ended) Assert.Equal((CsvFault.None, 2), (reader.Fault, reader.FieldCount));
    }

    [Fact]
    public void What_a_writer_quotes_a_reader_gives_back_whatever_the_dialect()
    {
        const int Seed = 4711;
        var random = new Random(Seed);
        string[] pieces = ["a", "bc", "\"", "'", ",", ";", "\t", "|", "\n", "\r\n", "é", "漢", " ", "", "0", "\\", "🙂"];
        for (int round = 0; round < 300; round++)
        {
            var dialect = Plain with
            {
                Delimiter = ",;\t|"[random.Next(4)],
                Quote = "\"'"[random.Next(2)],
                Encoding = random.Next(3) switch { 0 => Encoding.Unicode, 1 => Encoding.BigEndianUnicode, _ => Encoding.UTF8 },
            };
            int width = random.Next(2, 6);
            var rows = Enumerable.Range(0, random.Next(1, 200)).Select(_ => Enumerable.Range(0, width)
                .Select(_ => string.Concat(Enumerable.Range(0, random.Next(6)).Select(_ => pieces[random.Next(pieces.Length)]))).ToArray()).ToList();
            var text = string.Concat(rows.Select(row => string.Join(dialect.Delimiter, row.Select(value => Quoted(value, dialect.Quote))) + (random.Next(2) == 0 ? "\n" : "\r\n")));

            using var reader = new CsvReader(new MemoryStream(dialect.Encoding.GetBytes(text)), dialect);
            foreach (var row in rows)
            {
                Assert.True(reader.Read(), $"seed {Seed}, round {round}");
                Assert.Equal(CsvFault.None, reader.Fault);
                Assert.Equal(row, Enumerable.Range(0, reader.FieldCount).Select(i => reader[i].ToString()));
            }

            Assert.False(reader.Read());
        }
    }

    [Fact]
    public void Any_bytes_are_read_to_the_end()
    {
        const int Seed = 815;
        var random = new Random(Seed);
        var alphabet = "\"\"',;\t|\r\n\n\0ab1\\ é"u8.ToArray();
        for (int round = 0; round < 2000; round++)
        {
            var bytes = new byte[random.Next(0, 400)];
            for (int i = 0; i < bytes.Length; i++) bytes[i] = random.Next(10) == 0 ? (byte)random.Next(256) : alphabet[random.Next(alphabet.Length)];

            var dialect = CsvSniffer.Detect(new MemoryStream(bytes), new CsvHints(), CancellationToken.None);
            using var reader = new CsvReader(new MemoryStream(bytes), dialect, new CsvLimits(50, 100, 10));
            long line = 0;
            int chars = 0, rows = 0;
            while (reader.Read())
            {
                Assert.True(reader.Line > line, $"seed {Seed}, round {round}");
                line = reader.Line;
                Assert.InRange(reader.FieldCount, 0, 10);
                for (int i = 0; i < reader.FieldCount; i++)
                {
                    Assert.InRange(reader[i].Length, 0, 50);
                    chars += reader[i].Length;
                }

                rows++;
            }

            Assert.True(chars <= bytes.Length && rows <= bytes.Length + 1);
        }
    }

    private static string Quoted(string value, char quote) => $"{quote}{value.Replace($"{quote}", $"{quote}{quote}")}{quote}";

    private static List<string> Rows(string text, CsvDialect dialect)
    {
        using var reader = new CsvReader(new MemoryStream(Encoding.UTF8.GetBytes(text)), dialect);
        var rows = new List<string>();
        while (reader.Read())
        {
            Assert.Equal(CsvFault.None, reader.Fault);
            rows.Add($"{reader.Line}:{string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(i => reader[i].ToString()))}");
        }

        return rows;
    }
}
