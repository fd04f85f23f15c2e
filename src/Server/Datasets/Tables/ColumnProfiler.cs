using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>What a column turned out to be.</summary>
/// <param name="Format">Date pattern or <see cref="ColumnFormats.DecimalComma"/>.</param>
/// <param name="Misfits">Values that are not of the type; they are read as missing.</param>
/// <param name="MisfitLine">Line of the first of them.</param>
/// <param name="MisfitValue">The first of them.</param>
/// <param name="AmbiguousDate">Day and month could be the other way round: no value tells.</param>
internal sealed record ColumnVerdict(string Type, string? Format = null, long Misfits = 0, long MisfitLine = 0, string? MisfitValue = null, bool AmbiguousDate = false);

/// <summary>Formats of columns that are not date patterns.</summary>
internal static class ColumnFormats
{
    public const string DecimalComma = "decimal-comma";
}

/// <summary>Sees every value of a column once; then tells its type and its statistics.</summary>
/// <remarks>
/// Every type begins as possible and is given up when too many values do not fit: more than five and more than one in a hundred so
/// far. So the answer rests on the whole column, and most values are tried against one or two types only.
/// </remarks>
internal sealed class ColumnProfiler
{
    private const int TopValuesShown = 20;

    private readonly string _name;
    private readonly bool _semicolons;
    private readonly DistinctCounter _distinct;
    private readonly TopValueCounter _top;
    private readonly LengthCounter _lengths = new();
    private readonly NumberSketch _points = new();
    private NumberSketch? _commas;
    private readonly Candidate _integer = new(), _point = new(), _comma = new(), _email = new(), _url = new(), _phone = new(), _countryName = new(), _countryCode = new(), _postal = new();
    private readonly List<DatePattern> _dates = [.. DateFormats.All.Select((_, pattern) => new DatePattern(pattern))];
    private readonly long[] _booleans = new long[6];

    private long _leadingZeros, _markedPhones, _words, _spaced, _withDigit, _commaSigns;
    private Readings _currency, _percent;
    private long _previous;
    private bool _increasing = true;

    /// <param name="semicolons">Values are parted by semicolons, as where the comma is the decimal sign.</param>
    /// <param name="columns">Number of columns that share the memory for exact counts.</param>
    public ColumnProfiler(string name, bool semicolons, int columns)
    {
        _name = name;
        _semicolons = semicolons;
        _distinct = new DistinctCounter(Math.Clamp(2_000_000 / columns, 256, 10_000));
        _top = new TopValueCounter(Math.Clamp(500_000 / columns, 64, 1000));
    }

    public long Count { get; private set; }

    public long Missing { get; private set; }

    /// <summary>The first value, shortened, to show in messages and snippets.</summary>
    public string? Example { get; private set; }

    public void AddMissing() => Missing++;

    public void Add(ReadOnlySpan<char> value, long line)
    {
        Count++;
        Example ??= value.Length <= 80 ? value.ToString() : value[..80].ToString();
        _distinct.Add(StableHash.Of(value));
        _top.Add(value);
        _lengths.Add(value.Length);
        CountShape(value);

        TryNumbers(value, line);
        if (CellValues.BooleanPair(value) is >= 0 and var pair) _booleans[pair]++;
        TryDates(value, line);
        if (_email.IsOpen) _email.See(CellValues.IsEmail(value), Count, line, value);
        if (_url.IsOpen) _url.See(CellValues.IsUrl(value), Count, line, value);
        if (_postal.IsOpen) _postal.See(CellValues.IsPostalCode(value), Count, line, value);
        if (_countryName.IsOpen) _countryName.See(Countries.IsName(value), Count, line, value, tolerance: 0.2);
        if (_countryCode.IsOpen) _countryCode.See(Countries.IsCode(value) || Countries.IsName(value), Count, line, value, tolerance: 0.2);
        if (_phone.IsOpen)
        {
            bool fits = CellValues.IsPhone(value, out bool marked);
            if (marked && fits) _markedPhones++;
            _phone.See(fits, Count, line, value);
        }
    }

    /// <summary>The type that fits best.</summary>
    public ColumnVerdict Infer()
    {
        if (Count == 0) return new(ColumnTypes.Category);

        long distinct = _distinct.Count;
        for (int pair = 0; pair < _booleans.Length; pair++)
        {
            if (_booleans[pair] == Count && (distinct >= 2 || pair <= 1)) return new(ColumnTypes.Boolean);
        }

        if (BestDate() is { } date) return date;
        if (_phone.Holds(Count, 0.95) && (_markedPhones * 2 > Count || ColumnNames.SuggestPhone(_name))) return new(ColumnTypes.Phone);
        if (_postal.Holds(Count, 0.9) && ColumnNames.SuggestPostalCode(_name)) return new(ColumnTypes.PostalCode);
        if (_leadingZeros == 0 && BestNumber(distinct) is { } number) return number;
        if (_email.Holds(Count, 0.95)) return new(ColumnTypes.Email);
        if (_url.Holds(Count, 0.95)) return new(ColumnTypes.Url);
        if (IsCountry()) return new(ColumnTypes.Country);
        return new(IsId(distinct) ? ColumnTypes.Id : IsCategory(distinct) ? ColumnTypes.Category : ColumnTypes.Text);
    }

    /// <summary>The column as its uploader wants it.</summary>
    public ColumnVerdict As(string type)
    {
        if (type is ColumnTypes.Date or ColumnTypes.DateTime) return new(type, BestDate()?.Format);
        if (!ColumnTypes.IsNumeric(type)) return new(type);

        return new(type, UsesCommas() ? ColumnFormats.DecimalComma : null);
    }

    public ColumnStatistics ToStatistics(string type, string? format) => new()
    {
        Name = _name,
        Type = type,
        Count = Count,
        Missing = Missing,
        Distinct = _distinct.Count,
        DistinctApproximate = _distinct.IsApproximate,
        Numbers = ColumnTypes.IsNumeric(type) ? (format == ColumnFormats.DecimalComma ? _commas ?? _points : _points).ToStatistics() : null,
        Lengths = ColumnTypes.IsNumeric(type) ? null : _lengths.ToStatistics(),
        TopValues = _top.Top(TopValuesShown),
        TopValuesApproximate = _top.IsApproximate,
    };

    private void CountShape(ReadOnlySpan<char> value)
    {
        int words = 1;
        bool digit = false;
        foreach (char c in value)
        {
            if (c is ' ' or '\n' or '\t') words++;
            else if (char.IsAsciiDigit(c)) digit = true;
        }

        _words += words;
        if (words > 1) _spaced++;
        if (digit) _withDigit++;
        if (CellValues.HasLeadingZero(value)) _leadingZeros++;
    }

    private void TryNumbers(ReadOnlySpan<char> value, long line)
    {
        if (!_point.IsOpen && !_comma.IsOpen) return;

        bool comma = value.Contains(','), point = value.Contains('.');
        if (comma) _commaSigns++;

        bool pointFits = TryNumber(value, false, comma || point, out double pointNumber), commaFits = pointFits;
        double commaNumber = pointNumber;
        if (comma || point) commaFits = TryNumber(value, true, signed: true, out commaNumber);

        if (_integer.IsOpen) _integer.See(CellValues.IsInteger(value), Count, line, value);
        if (_integer.IsOpen && pointFits)
        {
            _increasing &= Count == 1 || (long)pointNumber > _previous;
            _previous = (long)pointNumber;
        }

        // Both readings run side by side until one is ruled out; they differ only where a sign occurs.
        if (_commas is null && (comma || point) && _comma.IsOpen) _commas = _points.Copy();
        if (_comma.IsOpen)
        {
            _comma.See(commaFits, Count, line, value);
            if (commaFits) _commas?.Add(commaNumber);
        }

        if (!_point.IsOpen) return;

        _point.See(pointFits, Count, line, value);
        if (pointFits) _points.Add(pointNumber);
    }

    private bool TryNumber(ReadOnlySpan<char> value, bool decimalComma, bool signed, out double number)
    {
        if (CellValues.TryNumber(value, decimalComma, out number)) return true;

        if (CellValues.TryCurrency(value, decimalComma, out number))
        {
            _currency.Add(decimalComma, signed);
            return true;
        }

        if (!CellValues.TryPercent(value, decimalComma, out number)) return false;

        _percent.Add(decimalComma, signed);
        return true;
    }

    private void TryDates(ReadOnlySpan<char> value, long line)
    {
        if (_dates.Count == 0) return;

        bool plausible = DateFormats.Plausible(value);
        for (int i = _dates.Count - 1; i >= 0; i--)
        {
            var date = _dates[i];
            date.Fits.See(plausible && DateFormats.TryParse(value, DateFormats.All[date.Pattern], out _), Count, line, value);
            if (!date.Fits.IsOpen) _dates.RemoveAt(i);
        }
    }

    private ColumnVerdict? BestDate()
    {
        // More matches first; the list is in order of preference.
        var fitting = _dates.Where(date => date.Fits.Matches * 100 >= Count * 99 || (date.Fits.Misses <= 1 && Count >= 10)).ToList();
        if (fitting.Count == 0) return null;

        long most = fitting.Max(date => date.Fits.Matches);
        var best = fitting.Where(date => date.Fits.Matches == most).OrderBy(date => date.Pattern).ToList();
        var chosen = best[0];
        bool ambiguous = best.Any(date => DateFormats.IsMonthFirst(date.Pattern)) && best.Any(date => DateFormats.IsDayFirst(date.Pattern));

        // Where semicolons part values, people write the day first.
        if (ambiguous && _semicolons) chosen = best.First(date => DateFormats.IsDayFirst(date.Pattern));

        var type = DateFormats.IsDateTime(chosen.Pattern) ? ColumnTypes.DateTime : ColumnTypes.Date;
        return new(type, DateFormats.All[chosen.Pattern], chosen.Fits.Misses, chosen.Fits.MissLine, chosen.Fits.MissValue, ambiguous);
    }

    /// <summary>Commas are the decimal sign if points cannot be, or where both could be and semicolons speak for it.</summary>
    private bool UsesCommas() => _comma.Holds(Count, 0.9) && _commaSigns > 0 && (!_point.IsOpen || _point.Misses > _comma.Misses || (_semicolons && _point.Misses == _comma.Misses));

    private ColumnVerdict? BestNumber(long distinct)
    {
        if (!_point.IsOpen && !_comma.IsOpen) return null;

        bool commas = UsesCommas();
        var fits = commas ? _comma : _point;
        if (!fits.IsOpen || fits.Matches * 2 < Count) return null;

        var format = commas ? ColumnFormats.DecimalComma : null;
        string type;
        if (_percent.Of(commas) * 2 > Count) type = ColumnTypes.Percent;
        else if (_currency.Of(commas) * 2 > Count) type = ColumnTypes.Currency;
        else if (!_integer.IsOpen || _integer.Misses > fits.Misses) type = ColumnTypes.Number;
        else if (IsIntegerId(distinct)) return new(ColumnTypes.Id);
        else type = ColumnTypes.Integer;

        // A short column has no room for exceptions.
        if (fits.Misses > 0 && (Count < 20 || fits.Misses * 50 > Count)) return null;

        return new(type, format, fits.Misses, fits.MissLine, fits.MissValue);
    }

    private bool IsIntegerId(long distinct)
    {
        if (_integer.Misses > 0 || distinct * 100 < Count * (_distinct.IsApproximate ? 94 : 98)) return false;
        if (ColumnNames.SuggestId(_name)) return Count >= 3;

        // Numbers that count the rows up, without or with few gaps.
        return Count >= 50 && _increasing && _points.Max - _points.Min < Count * 2.0;
    }

    private bool IsId(long distinct)
    {
        bool unique = distinct * 100 >= Count * (_distinct.IsApproximate ? 94 : 98);
        if (!unique || _lengths.Max > 64) return false;
        if (ColumnNames.SuggestId(_name)) return Count >= 3 && _spaced * 20 <= Count;

        return Count >= 20 && _spaced == 0 && _withDigit * 10 >= Count * 9 && _lengths.Max <= 40;
    }

    private bool IsCountry()
    {
        if (ColumnNames.SuggestCountry(_name)) return _countryCode.Holds(Count, 0.8);

        return _countryName.Holds(Count, 0.98) && _lengths.Mean > 3.5 && Count >= 5;
    }

    private bool IsCategory(long distinct)
    {
        double words = (double)_words / Count, repeats = (double)Count / distinct;
        if (_lengths.Mean > 100) return false;
        if (Count < 20) return words <= 3 && _lengths.Mean <= 30;
        if (repeats >= 2 && distinct <= 1000 && _lengths.Mean <= 50 && (words <= 6 || distinct <= 50)) return true;

        return repeats >= 5 && words <= 4 && _lengths.Mean <= 64;
    }

    /// <summary>Counts for either decimal sign. A value without any sign counts for both.</summary>
    private struct Readings
    {
        private long _point, _comma, _either;

        public void Add(bool decimalComma, bool signed)
        {
            if (!signed) _either++;
            else if (decimalComma) _comma++;
            else _point++;
        }

        public readonly long Of(bool decimalComma) => _either + (decimalComma ? _comma : _point);
    }

    /// <summary>One type that the column might have.</summary>
    private sealed class Candidate
    {
        public bool IsOpen { get; private set; } = true;

        public long Matches { get; private set; }

        public long Misses { get; private set; }

        public long MissLine { get; private set; }

        public string? MissValue { get; private set; }

        /// <summary>At least this share of the values fits.</summary>
        public bool Holds(long count, double share) => IsOpen && Matches > 0 && Matches >= count * share;

        public void See(bool fits, long seen, long line, ReadOnlySpan<char> value, double tolerance = 0.01)
        {
            if (fits)
            {
                Matches++;
                return;
            }

            if (Misses++ == 0)
            {
                MissLine = line;
                MissValue = value.Length <= 40 ? value.ToString() : $"{value[..40]}...";
            }

            if (Misses > 5 && Misses > seen * tolerance) IsOpen = false;
        }
    }

    private sealed record DatePattern(int Pattern)
    {
        public Candidate Fits { get; } = new();
    }
}
