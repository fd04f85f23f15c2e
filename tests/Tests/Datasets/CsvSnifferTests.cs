using System.Text;
using Atoll.Datasets;

namespace Atoll.Tests.Datasets;

public sealed class CsvSnifferTests
{
    public static TheoryData<string, char, char, bool> Layouts => new()
    {
        { "name,age\nAnn,3\nBen,4\n", ',', '"', true },
        { "name;height\nAnn;1,75\nBen;1,80\n", ';', '"', true },
        { "name\tage\nAnn\t3\nBen\t4\n", '\t', '"', true },
        { "name|age\nAnn|3\nBen|4\n", '|', '"', true },
        { "sep=;\nname;age\nAnn;3\n", ';', '"', true },
        { "Ann,3\nBen,4\nCid,5\n", ',', '"', false },
        { "1,2,3\n4,5,6\n", ',', '"', false },
        { "when,what\n2024-01-01,x\n2024-01-02,y\n", ',', '"', true },
        { "text,label\nI lost my card,card\nwhere is it,card_arrival\n", ',', '"', true },
        { "I lost my card and need another one,card\nwhere is my money please,arrival\nI lost my card again,card\nhello there friend,arrival\n", ',', '"', false },
        { "'a','b'\n'it is, so','c'\n'x','d'\n", ',', '\'', true },
        { "text,label\n\"hello; you; there\",greeting\n\"good, bye; now\",bye\n", ',', '"', true },
        { "text\nhello world\nshort one\n", ',', '"', true },
        { "label,0,1,2\nx,4,5,6\ny,7,8,9\n", ',', '"', true },
        { "a;b\n1,5;2,5\n3,5;4,5\n", ';', '"', true },
        { "id,comment\n1,\"don't, it's\"\n2,\"it's, ok\"\n", ',', '"', true },
        { "mail,site\na@b.de,http://x.de\nc@d.fr,http://y.fr\n", ',', '"', true },
        { "a@b.de,http://x.de\nc@d.fr,http://y.fr\n", ',', '"', false },
        { "only,header\n", ',', '"', true },
    };

    [Theory]
    [MemberData(nameof(Layouts))]
    public void The_layout_is_found(string text, char delimiter, char quote, bool header)
    {
        var dialect = Detect(Encoding.UTF8.GetBytes(text));

        Assert.Equal((delimiter, quote, header), (dialect.Delimiter, dialect.Quote, dialect.HasHeader));
    }

    [Fact]
    public void What_the_uploader_says_wins()
    {
        var hints = new CsvHints(Delimiter: ';', Quote: '\'', HasHeader: false);

        var dialect = CsvSniffer.Detect(new MemoryStream("name,age\nAnn,3\n"u8.ToArray()), hints, CancellationToken.None);

        Assert.Equal((';', '\'', false), (dialect.Delimiter, dialect.Quote, dialect.HasHeader));
    }

    [Fact]
    public void Backslash_escapes_are_found()
    {
        var dialect = Detect("a,b\n\"say \\\"hi, you\\\" now\",1\n\"x\",2\n"u8.ToArray());

        Assert.True(dialect.BackslashEscapes);
        Assert.False(Detect("a,b\n\"C:\\temp\\\",1\n\"x\",2\n"u8.ToArray()).BackslashEscapes);
    }

    public static TheoryData<string, string, bool> Encodings => new()
    {
        { "utf-8", "utf-8", false },
        { "utf-8 marked", "utf-8", false },
        { "utf-16le marked", "utf-16", false },
        { "utf-16be marked", "utf-16BE", false },
        { "utf-16le", "utf-16", false },
        { "utf-16be", "utf-16BE", false },
        { "utf-32le marked", "utf-32", false },
        { "windows-1252", "windows-1252", true },
        { "ascii, then a late é of windows-1252", "windows-1252", true },
        { "utf-8 cut between blocks", "utf-8", false },
    };

    [Theory]
    [MemberData(nameof(Encodings))]
    public void The_encoding_is_found_and_the_text_survives(string how, string name, bool guessed)
    {
        string text = how switch
        {
            "ascii, then a late é of windows-1252" => $"name,town\n{string.Concat(Enumerable.Repeat("Ann,Bonn\n", 40_000))}Zoé,Orléans\n",
            "utf-8 cut between blocks" => $"name,town\n{string.Concat(Enumerable.Range(0, 30_000).Select(i => $"漢字{i}é,🙂\n"))}Zoé,Orléans\n",
            _ => "name,town\nAnn,Bonn\nZoé,Orléans\n",
        };
        var encoding = how.StartsWith("utf-16le") ? new UnicodeEncoding(false, true)
            : how.StartsWith("utf-16be") ? new UnicodeEncoding(true, true)
            : how.StartsWith("utf-32") ? new UTF32Encoding(false, true)
            : how.Contains("1252") ? CodePagesEncodingProvider.Instance.GetEncoding(1252)!
            : (Encoding)new UTF8Encoding(true);
        var mark = how.EndsWith("marked") ? encoding.GetPreamble() : [];
        byte[] bytes = [.. mark, .. encoding.GetBytes(text)];

        var dialect = Detect(bytes);
        using var reader = new CsvReader(new MemoryStream(bytes), dialect);
        string first = "", last = "";
        while (reader.Read())
        {
            last = $"{reader[0]}/{reader[1]}";
            if (first.Length == 0) first = last;
        }

        Assert.Equal((name, guessed), (dialect.Encoding.WebName, dialect.EncodingGuessed));
        Assert.Equal(("name/town", "Zoé/Orléans"), (first, last));
    }

    private static CsvDialect Detect(byte[] bytes) => CsvSniffer.Detect(new MemoryStream(bytes), new CsvHints(), CancellationToken.None);
}
